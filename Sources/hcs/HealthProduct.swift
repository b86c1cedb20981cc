import HCSModel

/// A score made again from its reasons: round(100 x product(1 - penalty)), at least 1; 0 with a hard fault.
struct HealthProduct: Codable, Sendable, Equatable {
    struct Factor: Codable, Sendable, Equatable {
        var factor: String
        var penalty: Double
        /// 1 - penalty.
        var leaves: Double
        /// 100 times the product so far.
        var afterwards: Double
    }

    var factors: [Factor]
    /// A fault that is a score of 0 by itself.
    var isHard: Bool
    var score: Int

    init(_ reasons: [HealthReason]) {
        isHard = reasons.contains { $0.penalty >= 1 }
        factors = []
        var product = 1.0
        for reason in reasons {
            let leaves = 1 - min(1, max(0, reason.penalty))
            product *= leaves
            factors.append(
                Factor(factor: reason.factor, penalty: reason.penalty, leaves: leaves, afterwards: 100 * product))
        }
        score = isHard ? 0 : max(1, Int((100 * product).rounded()))
    }

    /// The arithmetic in one line.
    var text: String {
        guard !factors.isEmpty else { return "100, nothing lowers it" }
        if isHard { return "0, a hard fault" }
        let terms = factors.map { Self.decimal($0.leaves) }.joined(separator: " x ")
        return "100 x \(terms) = \(Self.decimal(factors.last?.afterwards ?? 100)), rounded \(score)"
    }

    /// Up to four decimals, as many as it has.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return Format.none }
        let scaled = Int((abs(value) * 10_000).rounded())
        var fraction = String(scaled % 10_000 + 10_000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        let whole = "\(value < 0 ? "-" : "")\(scaled / 10_000)"
        return fraction.isEmpty ? whole : "\(whole).\(fraction)"
    }
}
