import Foundation
import HCSModel

/// What was observed, as corrections to what the figures say: for each class and card, the logarithm of a factor.
///
/// One workload w on card m was seen to do y(w,m), the logarithm of its throughput less that of the figures. The model is
/// y(w,m) = a(w) + d(m) + noise: a(w) is what the workload is like on any card, d(m) how far the card is from its figures.
/// d(m) is drawn towards 0 as if `pseudoCount` workloads had agreed with the figures. A workload counts at most once,
/// however often it is reported: other work on the same card may differ tenfold (Gavel, OSDI'20). Residuals beyond `clip`
/// count as `clip` (Huber), so that a wrong report moves a card by no more than `clip / pseudoCount`.
struct ThroughputLearning {
    struct Correction: Hashable, Sendable {
        /// Logarithm of the factor on what the figures say.
        var log: Double
        /// Workloads that compare this card with another, each at most 1.
        var evidence: Double
        var workloads: Int
    }

    struct Sight {
        /// Number of the series: one workload, unit, class and precision.
        var series: Int
        var card: Int
        /// Logarithm of the throughput, less that of the card's figures.
        var residual: Double
        var count: Int
    }

    static let pseudoCount = 2.0
    static let clip = 0.7
    private static let rounds = 100

    static func corrections(_ sights: [Sight]) -> [Int: Correction] {
        // A series that one card alone has compares nothing.
        let cardsOf = Dictionary(grouping: sights, by: \.series).mapValues { Set($0.map(\.card)).count }
        let sights = sights.filter { cardsOf[$0.series, default: 0] > 1 }
        var level = Dictionary(grouping: sights, by: \.series).mapValues { median($0.map(\.residual)) }
        var card: [Int: (log: Double, evidence: Double)] = [:]
        func left(_ sight: Sight) -> Double {
            sight.residual - level[sight.series, default: 0] - (card[sight.card]?.log ?? 0)
        }
        func weight(_ sight: Sight) -> Double {
            let distance = abs(left(sight))
            let huber = distance > clip ? clip / distance : 1
            return huber * Double(sight.count) / Double(sight.count + 1)
        }
        for _ in 0..<rounds where !sights.isEmpty {
            var sums: [Int: (value: Double, weight: Double)] = [:]
            for sight in sights {
                let w = weight(sight)
                sums[sight.card, default: (0, 0)].value += w * (sight.residual - level[sight.series, default: 0])
                sums[sight.card, default: (0, 0)].weight += w
            }
            card = sums.mapValues { (log: $0.value / (pseudoCount + $0.weight), evidence: $0.weight) }
            var levels: [Int: (value: Double, weight: Double)] = [:]
            for sight in sights {
                let w = weight(sight)
                levels[sight.series, default: (0, 0)].value += w * (sight.residual - (card[sight.card]?.log ?? 0))
                levels[sight.series, default: (0, 0)].weight += w
            }
            level = levels.mapValues { $0.value / $0.weight }
        }
        let workloads = Dictionary(grouping: sights, by: \.card).mapValues { Set($0.map(\.series)).count }
        return Dictionary(
            uniqueKeysWithValues: card.map { number, value in
                (
                    number,
                    Correction(log: value.log, evidence: value.evidence, workloads: workloads[number, default: 0])
                )
            })
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
