import Foundation
import HCSAPI
import HCSModel

/// One device's health with its arithmetic, for people and programs.
struct HealthView: Codable, Sendable, Equatable {
    var node: String
    var device: DeviceID
    var model: String
    var simulated: Bool
    var health: DeviceHealth
    var product: HealthProduct
    var blocked: String?
    var cordon: Cordon?
    /// An operator's word that is on its way to the agent.
    var clearance: Clearance?

    init(_ view: DeviceView) {
        node = view.node
        device = view.device.id
        model = view.device.model
        simulated = view.device.simulated
        health = view.health
        product = HealthProduct(view.health.reasons)
        blocked = view.blocked
        cordon = view.cordon
        clearance = view.clearance
    }

    init(_ report: DeviceReport, node: String) {
        self.node = node
        device = report.device.id
        model = report.device.model
        simulated = report.device.simulated
        health = report.health
        product = HealthProduct(report.health.reasons)
        blocked = report.blocked
    }

    static func table(_ views: [HealthView], _ style: Style) -> String {
        guard !views.isEmpty else { return "No devices. `hcs doctor` on a host says what is missing there." }
        var table = TextTable([
            .init("NODE"), .init("DEVICE"), .init("MODEL"), .init("SCORE", .right), .init("BAND"), .init("KIND"),
            .init("WHY"),
        ])
        for view in views {
            let more = view.health.reasons.count - 1
            let why = view.health.reasons.first.map { $0.detail + (more > 0 ? " (and \(more) more)" : "") }
            table.add([
                .init(view.node), .init(view.device.uuid), .init(view.model),
                .init(view.health.score.map(String.init) ?? Format.none),
                .init(view.health.band.rawValue) { style.band(view.health.band, $0) },
                .init(view.simulated ? "simulated" : "real"), .init(why ?? ""),
            ])
        }
        return table.render(style)
    }

    func text(_ style: Style, now: Date = Date()) -> String {
        let kind = simulated ? ", simulated" : ""
        var lines = [
            Format.printable("device \(device) (\(model)\(kind)) of node \(node)"),
            "health " + style.band(health.band, Format.health(health)),
        ]
        if health.score == nil { lines.append("Too little is known for a score.") }
        lines.append(
            health.score == nil && !product.isHard ? "What is known makes: \(product.text)" : "score = \(product.text)")
        if let score = health.score, score != product.score {
            lines.append("The agent says \(score): it is of another version, or it left reasons out.")
        }
        if let blocked { lines.append(Format.printable("gets no work: \(blocked)")) }
        if let cordon { lines.append(Format.printable(Cordons.sentence(cordon, now: now))) }
        if let clearance {
            lines.append(Format.printable("set healthy by \(clearance.by), not yet applied: \(clearance.reason)"))
        }
        let factors = zip(health.reasons, product.factors).flatMap { reason, factor in
            [""] + Self.lines(of: reason, factor, style, now: now)
        }
        return (lines + factors).joined(separator: "\n")
    }

    private static func lines(
        of reason: HealthReason, _ factor: HealthProduct.Factor, _ style: Style, now: Date
    ) -> [String] {
        let age = Int64(now.timeIntervalSince1970 * 1000) - reason.sinceMilliseconds
        let effect =
            reason.penalty >= 1
            ? "hard: 0"
            : "x (1 - \(HealthProduct.decimal(reason.penalty))) = \(HealthProduct.decimal(factor.leaves)), leaves \(HealthProduct.decimal(factor.afterwards))"
        var lines = [style.bold(Format.printable(reason.factor)) + "  " + effect]
        func add(_ label: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            lines.append("  \(label.padding(toLength: 8, withPad: " ", startingAt: 0))  \(Format.printable(value))")
        }
        add("what", reason.detail)
        add("figure", reason.measure.map(Self.words))
        add("code", reason.code)
        add("source", reason.source)
        add("since", "\(Format.duration(milliseconds: age)) ago")
        add("advice", reason.advice)
        add("rule of", reason.authority)
        return lines
    }

    private static func words(_ measure: HealthMeasure) -> String {
        let number = HealthProduct.decimal
        let value = "\(number(measure.value)) \(measure.unit)"
        guard let warn = measure.warn, let bad = measure.bad else {
            return "\(value), capped at \(number(measure.cap)): \(number(measure.penalty))"
        }
        return "\(number(measure.cap)) x clamp((\(value) - \(number(warn))) / (\(number(bad)) - \(number(warn)))) = "
            + number(measure.penalty)
    }
}
