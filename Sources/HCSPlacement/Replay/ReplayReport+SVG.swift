extension ReplayReport {
    private static let width = 800.0
    private static let height = 500.0
    private static let left = 70.0
    private static let right = 20.0
    private static let top = 50.0
    private static let bottom = 60.0
    /// Distinguishable without colour vision (Okabe and Ito).
    private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]

    /// Allocation against arrived demand: a line for the mean of the seeds, a band from the worst to the best.
    package var svg: String {
        let end = max(reached, 1)
        // The interesting part is where policies part.
        let start = end > 80 ? 70 : 0
        let marks = Array(start...end)
        let curves = series.map { s in
            marks.compactMap { mark in allocated(s, atPercent: mark).map { (mark, $0) } }
        }
        let low = (curves.flatMap { $0.map(\.1.least) }.min() ?? 0).rounded(.down)
        let high = max(low + 1, (curves.flatMap { $0.map(\.1.most) }.max() ?? 100).rounded(.up))
        func x(_ demand: Int) -> Double {
            Self.left + Double(demand - start) / Double(max(1, end - start)) * (Self.width - Self.left - Self.right)
        }
        func y(_ percent: Double) -> Double {
            Self.height - Self.bottom - (percent - low) / (high - low) * (Self.height - Self.top - Self.bottom)
        }
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\""
                + " font-family=\"sans-serif\" font-size=\"13\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            "<text x=\"\(Self.left)\" y=\"25\" font-size=\"15\">\(Self.escaped(title))</text>",
        ]
        parts += axes(x, y, demand: start...end, low: low, high: high)
        for (i, curve) in curves.enumerated() where !curve.isEmpty {
            let colour = Self.colours[i % Self.colours.count]
            let upper = curve.map { Self.pair(x($0.0), y($0.1.most)) }
            let lower = curve.reversed().map { Self.pair(x($0.0), y($0.1.least)) }
            let mean = curve.map { Self.pair(x($0.0), y($0.1.mean)) }
            parts.append(
                "<polygon points=\"\((upper + lower).joined(separator: " "))\" fill=\"\(colour)\" opacity=\"0.2\"/>")
            parts.append(
                "<polyline points=\"\(mean.joined(separator: " "))\" fill=\"none\" stroke=\"\(colour)\""
                    + " stroke-width=\"2\"/>")
            let row = Self.height - Self.bottom - 20 - 18 * Double(curves.count - 1 - i)
            let last = curve.last.map { "\(Self.fixed($0.1.mean)) % at \($0.0) %" } ?? ""
            parts.append(
                "<text x=\"\(Self.width - Self.right - 10)\" y=\"\(row)\" text-anchor=\"end\" fill=\"\(colour)\">"
                    + "\(series[i].policy.rawValue): \(last)</text>")
        }
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func axes(
        _ x: (Int) -> Double, _ y: (Double) -> Double, demand: ClosedRange<Int>, low: Double, high: Double
    ) -> [String] {
        let floor = Self.height - Self.bottom
        var parts: [String] = []
        for mark in demand where mark % 10 == 0 {
            parts.append(
                "<line x1=\"\(Self.fixed(x(mark)))\" y1=\"\(Self.top)\" x2=\"\(Self.fixed(x(mark)))\" y2=\"\(floor)\""
                    + " stroke=\"#ddd\"/><text x=\"\(Self.fixed(x(mark)))\" y=\"\(floor + 20)\""
                    + " text-anchor=\"middle\">\(mark)</text>")
        }
        let step = max(1, ((high - low) / 8).rounded(.up))
        for percent in stride(from: low, through: high, by: step) {
            parts.append(
                "<line x1=\"\(Self.left)\" y1=\"\(Self.fixed(y(percent)))\" x2=\"\(Self.width - Self.right)\""
                    + " y2=\"\(Self.fixed(y(percent)))\" stroke=\"#ddd\"/><text x=\"\(Self.left - 8)\""
                    + " y=\"\(Self.fixed(y(percent) + 4))\" text-anchor=\"end\">\(Int(percent))</text>")
        }
        parts.append(
            "<text x=\"\((Self.left + Self.width - Self.right) / 2)\" y=\"\(Self.height - 15)\""
                + " text-anchor=\"middle\">arrived demand, % of the devices</text>")
        parts.append(
            "<text x=\"20\" y=\"\((Self.top + floor) / 2)\" text-anchor=\"middle\""
                + " transform=\"rotate(-90 20 \((Self.top + floor) / 2))\">allocated, % of the devices</text>")
        return parts
    }

    private static func pair(_ x: Double, _ y: Double) -> String { "\(fixed(x)),\(fixed(y))" }

    private static func escaped(_ text: String) -> String {
        text.map { c in
            switch c {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            default: c.isNewline || (c.asciiValue.map { $0 < 32 } ?? false) ? "?" : String(c)
            }
        }.joined()
    }
}
