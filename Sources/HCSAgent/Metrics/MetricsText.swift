/// The Prometheus text format, version 0.0.4.
package enum MetricsText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package static func render(_ snapshot: MetricsSnapshot, compatibility: MetricsCompatibility = .dcgm) -> String {
        var text = ""
        text.reserveCapacity(64 << 10)
        for metric in Metrics.all(compatibility) {
            let series = metric.series(snapshot)
            guard !series.isEmpty else { continue }
            text += "# HELP \(metric.name) \(escape(metric.help, quotes: false))\n"
            text += "# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            for one in series {
                let labels = [one.subject, render(one.labels)].filter { !$0.isEmpty }.joined(separator: ",")
                text += "\(metric.name)\(one.suffix)\(labels.isEmpty ? "" : "{\(labels)}") \(number(one.value))\n"
            }
        }
        return text
    }

    static func render(_ labels: [(name: String, value: String)]) -> String {
        labels.map { "\($0.name)=\"\(escape($0.value, quotes: true))\"" }.joined(separator: ",")
    }

    /// By Unicode scalars: a quotation mark with an accent on it is one `Character` and still ends the value.
    private static func escape(_ text: String, quotes: Bool) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result.append(contentsOf: #"\\"#.unicodeScalars)
            case "\n": result.append(contentsOf: #"\n"#.unicodeScalars)
            case "\"" where quotes: result.append(contentsOf: #"\""#.unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}
