import HCSModel

/// Where a request fits and why not elsewhere, for people.
enum PlanText {
    static func text(
        _ summary: String, _ devices: [PlacementVerdict], _ changes: [PlacementChange], _ style: Style
    ) -> String {
        guard !devices.isEmpty else { return "\(summary)\nThe pool has no devices." }
        var table = TextTable([
            .init("NODE"), .init("VENDOR"), .init("MODEL"), .init("DEVICE"), .init("FITS"), .init("WHY"),
        ])
        for verdict in devices {
            let fits = verdict.chosen == true ? "best" : verdict.fits ? "yes" : "no"
            table.add([
                .init(verdict.node), .init(verdict.vendor.displayName), .init(verdict.model),
                .init(verdict.device.uuid),
                .init(fits) { style.band(verdict.fits ? .healthy : .degraded, $0) },
                .init(verdict.fits ? scores(of: verdict) : verdict.reasons.joined(separator: "; ")),
            ])
        }
        let lines = changes.map { "  \($0.text)\($0.kind == .end ? "" : ", on \($0.node)")" }
        let help = lines.isEmpty ? "" : "\n\nOne change would do:\n\(lines.joined(separator: "\n"))"
        return "\(summary)\n\n\(table.render(style))\(help)"
    }

    private static func scores(of verdict: PlacementVerdict) -> String {
        let total = verdict.score.map { "score \(number($0))" } ?? ""
        let parts = (verdict.scores ?? []).filter { $0.value != 0 }.map { "\($0.name) \(number($0.value))" }
        return parts.isEmpty ? total : "\(total) (\(parts.joined(separator: ", ")))"
    }

    /// With its sign and at most three decimals.
    private static func number(_ value: Double) -> String {
        let milli = Int((value * 1000).rounded())
        guard milli % 1000 != 0 else { return "\(milli / 1000)" }
        let digits = "\(milli.magnitude % 1000 + 1000)".dropFirst()
        let fraction = digits.reversed().drop { $0 == "0" }.reversed().map(String.init).joined()
        return "\(milli < 0 ? "-" : "")\(milli.magnitude / 1000).\(fraction)"
    }
}
