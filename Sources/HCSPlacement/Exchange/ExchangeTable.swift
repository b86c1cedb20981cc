import Foundation
package import HCSModel

/// Compute of any card in any other's units, for each class of work and precision.
///
/// Every card has one worth for a class and precision, and a rate is the quotient of two: so rate(a, b) x rate(b, a) = 1
/// and rate(a, c) = rate(a, b) x rate(b, c) by construction. The worth is the weighted geometric mean of peak compute and
/// memory bandwidth (`computeWeight`), times what was observed, or what an operator says instead.
package struct ExchangeTable: Sendable {
    package let cards: [ExchangeCard]
    private var index = CardIndex()
    private var learned: [WorkloadClass: [Int: ThroughputLearning.Correction]] = [:]
    private var overrides: [WorkloadClass: [Int: [Override]]] = [:]
    /// Logarithm of the unit card's worth.
    private var units: [WorkloadClass: [Precision: Double]] = [:]
    /// Overrides and observations that count for nothing, with the reason.
    package private(set) var problems: [String] = []

    private struct Override: Sendable {
        var row: ExchangeOverride
        var of: Int
    }

    /// What a card is worth: the logarithm, and what it is made of.
    private struct Worth {
        var log: Double
        /// Of `log`, of others like it.
        var variance: Double
        /// The card whose figures it goes back to.
        var base: Int?
        var terms: [Part]
        /// An operator's word is in it.
        var isStated: Bool { terms.contains { $0.kind == .stated } }

        struct Part {
            var kind: ExchangeRate.Term.Kind
            var log: Double
            var detail: String
        }
    }

    /// How far work of one class is from the figures, as the standard deviation of the logarithm, before anything was
    /// observed. Judgement.
    package static let classDeviation = 0.3

    /// - Parameters:
    ///   - cards: those of the catalogue; one that cannot be told from an earlier one is left out, with a problem.
    ///   - observations: their keys name cards by `ExchangeCard.name`.
    ///   - overrides: the last one of a card, class and precision counts; a precision before none.
    package init(cards: [ExchangeCard], observations: [ThroughputRecord] = [], overrides: [ExchangeOverride] = []) {
        var known: [ExchangeCard] = []
        for card in cards {
            do {
                try index.add(vendor: card.vendor, aliases: [card.name] + card.aliases, memory: card.memory)
                known.append(card)
            } catch { problems.append("card '\(card.name)': \(error.message)") }
        }
        self.cards = known
        learn(observations)
        for row in overrides { take(row) }
        for workloadClass in WorkloadClass.allCases {
            for precision in Precision.allCases {
                units[workloadClass, default: [:]][precision] = unit(workloadClass, precision)
            }
        }
    }

    private func unit(_ workloadClass: WorkloadClass, _ precision: Precision) -> Double {
        let unit = precision.unitCard
        return cards.firstIndex { $0.name == unit.name }.flatMap { try? worth($0, workloadClass, precision).log }
            ?? Self.log(unit.tflops, unit.bandwidthGBps, workloadClass)
    }

    // MARK: Names

    /// The card that a person means: an alias of any maker.
    package func card(named name: String) throws(ExchangeUnknown) -> ExchangeCard { cards[try number(named: name)] }

    private func number(named name: String) throws(ExchangeUnknown) -> Int {
        if let exact = cards.firstIndex(where: { $0.name == name }) { return exact }
        let found = Vendor.allCases.flatMap { index.candidates($0, name) }
        if found.count == 1 { return found[0] }
        let short = String(name.prefix(64))
        guard found.isEmpty else {
            let names = found.map { cards[$0].name }.joined(separator: ", ")
            throw ExchangeUnknown(.ambiguousCard, "'\(short)' is several cards: \(names)")
        }
        let like = CardIndex.mostLike(name, among: Set(cards.flatMap { [$0.name] + $0.aliases }))
        let hint = like.isEmpty ? "" : "; nearest names: \(like.joined(separator: ", "))"
        throw ExchangeUnknown(.unknownCard, "no card '\(short)' in the catalogue\(hint)")
    }

    /// The card that a device is, or is a part of; nil where the catalogue does not know it.
    package func card(of device: Device) -> ExchangeCard? { number(of: device).map { cards[$0] } }

    private func number(of device: Device) -> Int? {
        device.details.partition == nil
            ? index.card(device.vendor, device.model, memory: device.memory)
            : index.card(device.vendor, CardIndex.cardName(device.model), memory: nil)
    }

    /// Workloads that compared the card with another.
    package func workloadsSeen(on card: String, class workloadClass: WorkloadClass) -> Int {
        cards.firstIndex { $0.name == card }.flatMap { learned[workloadClass]?[$0]?.workloads } ?? 0
    }

    // MARK: Rates

    /// How many `to` one `from` is worth.
    package func rate(
        _ from: String, _ to: String, class workloadClass: WorkloadClass, precision: Precision
    ) throws(ExchangeUnknown) -> ExchangeRate {
        let a = try number(named: from)
        let b = try number(named: to)
        let over = try worth(a, workloadClass, precision)
        let under = try worth(b, workloadClass, precision)
        let log = a == b ? 0 : over.log - under.log
        // What goes back to the same figures does not depend on them.
        let spread = over.base == under.base ? 0 : (over.variance + under.variance).squareRoot()
        return ExchangeRate(
            from: cards[a].name, to: cards[b].name, workloadClass: workloadClass, precision: precision, rate: exp(log),
            low: exp(log - spread), high: exp(log + spread), confidence: Self.confidence(over, under, spread),
            terms: a == b ? [] : Self.terms(over, under, workloadClass),
            sources: (a == b ? [a] : [a, b]).map {
                ExchangeRate.Source(card: cards[$0].name, text: source(of: $0))
            })
    }

    /// Thousandths of the device that the amount is: more than 1000 where one such device is not enough.
    ///
    /// TFLOPS are counted as `Precision.unitCard` does the class, so that 20 TFLOPS are a smaller share of a faster card.
    /// - Parameter workloadClass: nil = training.
    package func share(
        of amount: ComputeAmount, class workloadClass: WorkloadClass?, on device: Device
    ) -> Result<Int, ExchangeUnknown> {
        switch amount {
        case .share(let thousandths): return .success(thousandths)
        case .teraflops(let wanted, let precision):
            guard wanted.isFinite, wanted > 0 else {
                return .failure(ExchangeUnknown(.badAmount, "\(wanted) TFLOPS is no amount of compute"))
            }
            return teraflops(of: device, class: workloadClass ?? .training, precision).map { whole in
                // What is reckoned back and forth must not cost a thousandth.
                let thousandths = (1000 * wanted / whole - 1e-6).rounded(.up)
                return max(1, Int(min(thousandths, 1e9)))
            }
        }
    }

    /// What the device does in the class, in TFLOPS of the precision as `Precision.unitCard` counts them.
    package func teraflops(
        of device: Device, class workloadClass: WorkloadClass, _ precision: Precision
    ) -> Result<Double, ExchangeUnknown> {
        do throws(ExchangeUnknown) {
            let own = try log(of: device, workloadClass, precision)
            let one = units[workloadClass]?[precision] ?? 0
            return .success(precision.unitCard.tflops * exp(own - one))
        } catch { return .failure(error) }
    }

    /// A device's own figures (its agent's catalogue may differ, and a part of a card has its share of them), corrected as its
    /// card's are.
    private func log(
        of device: Device, _ workloadClass: WorkloadClass, _ precision: Precision
    ) throws(ExchangeUnknown) -> Double {
        let number = number(of: device)
        let figures: Double
        do throws(ExchangeUnknown) {
            figures = try Self.figures(device.fingerprint, device.modelName, workloadClass, precision).log
        } catch {
            // The operator's word needs no figures.
            guard let number, let card = try? worth(number, workloadClass, precision), card.isStated else {
                throw error
            }
            return card.log + Foundation.log(device.details.partition?.share ?? 1)
        }
        guard let number else { return figures }
        let card = cards[number]
        guard let worth = try? worth(number, workloadClass, precision) else { return figures }
        guard let plain = try? Self.figures(card.fingerprint, card.name, workloadClass, precision).log else {
            return worth.log + Foundation.log(device.details.partition?.share ?? 1)
        }
        return figures + worth.log - plain
    }

    // MARK: Worth

    private func worth(
        _ card: Int, _ workloadClass: WorkloadClass, _ precision: Precision
    ) throws(ExchangeUnknown) -> Worth {
        let stated = overrides[workloadClass]?[card]
        if let stated = stated?.last(where: { $0.row.precision == precision })
            ?? stated?.last(where: { $0.row.precision == nil })
        {
            var worth = try worth(stated.of, workloadClass, precision)
            let log = Foundation.log(stated.row.rate)
            worth.log += log
            worth.terms.append(
                Worth.Part(
                    kind: .stated, log: log,
                    detail: "\(cards[card].name) is \(stated.row.rate) x \(cards[stated.of].name): \(stated.row.source)"
                ))
            return worth
        }
        let known = cards[card]
        var worth = try Self.figures(known.fingerprint, known.name, workloadClass, precision)
        worth.base = card
        let figure = known.fingerprint.confidence.deviation
        worth.variance = Self.classDeviation * Self.classDeviation + figure * figure
        if let correction = learned[workloadClass]?[card] {
            worth.log += correction.log
            worth.variance *= ThroughputLearning.pseudoCount / (ThroughputLearning.pseudoCount + correction.evidence)
            let many = correction.workloads == 1 ? "1 workload" : "\(correction.workloads) workloads"
            worth.terms.append(
                Worth.Part(kind: .observed, log: correction.log, detail: "\(known.name) as seen with \(many)"))
        }
        return worth
    }

    private static func figures(
        _ fingerprint: Fingerprint, _ name: String, _ workloadClass: WorkloadClass, _ precision: Precision
    ) throws(ExchangeUnknown) -> Worth {
        func missing(_ what: String) -> ExchangeUnknown {
            let has = Precision.allCases.filter { fingerprint.tflops[$0] != nil }.map(\.rawValue)
            let others = has.isEmpty ? "" : "; it has \(has.joined(separator: ", "))"
            return ExchangeUnknown(.noFigure, "\(name) has no published \(what)\(others) (\(fingerprint.source))")
        }
        func usable(_ value: Double?) -> Double? { value.flatMap { $0.isFinite && $0 > 0 ? $0 : nil } }
        guard let tflops = usable(fingerprint.tflops[precision]) else { throw missing(precision.rawValue) }
        guard let bandwidth = usable(fingerprint.bandwidthGBps) else {
            throw ExchangeUnknown(
                .noFigure, "\(name) has no published memory bandwidth (\(fingerprint.source))")
        }
        let weight = workloadClass.computeWeight
        return Worth(
            log: log(tflops, bandwidth, workloadClass), variance: 0,
            terms: [
                .init(kind: .compute, log: weight * Foundation.log(tflops), detail: "\(number(tflops))"),
                .init(
                    kind: .bandwidth, log: workloadClass.bandwidthWeight * Foundation.log(bandwidth),
                    detail: "\(number(bandwidth))"),
            ])
    }

    private static func log(_ tflops: Double, _ bandwidth: Double, _ workloadClass: WorkloadClass) -> Double {
        let weight = workloadClass.computeWeight
        return weight * Foundation.log(tflops) + workloadClass.bandwidthWeight * Foundation.log(bandwidth)
    }
}

// MARK: Words

extension ExchangeTable {
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
    }

    private static func terms(_ over: Worth, _ under: Worth, _ workloadClass: WorkloadClass) -> [ExchangeRate.Term] {
        var terms: [ExchangeRate.Term] = []
        for (kind, name, weight) in [
            (ExchangeRate.Term.Kind.compute, "TFLOPS", workloadClass.computeWeight),
            (.bandwidth, "GB/s", workloadClass.bandwidthWeight),
        ]
        where over.base != under.base {
            guard let a = over.terms.first(where: { $0.kind == kind }),
                let b = under.terms.first(where: { $0.kind == kind })
            else { continue }
            terms.append(
                ExchangeRate.Term(
                    kind: kind, detail: "\(a.detail) to \(b.detail) \(name), to the power of \(weight)",
                    factor: exp(a.log - b.log)))
        }
        for (worth, sign) in [(over, 1.0), (under, -1.0)] {
            terms += worth.terms.filter { $0.kind == .stated || $0.kind == .observed && over.base != under.base }.map {
                ExchangeRate.Term(kind: $0.kind, detail: $0.detail, factor: exp(sign * $0.log))
            }
        }
        return terms
    }

    private static func confidence(_ a: Worth, _ b: Worth, _ spread: Double) -> ExchangeRate.Confidence {
        if a.isStated || b.isStated { return .stated }
        return spread <= 0.25 ? .high : spread <= 0.45 ? .medium : .low
    }

    private func source(of card: Int) -> String {
        let fingerprint = cards[card].fingerprint
        return "\(fingerprint.source) [\(fingerprint.confidence.rawValue)]"
    }
}

// MARK: What comes in

extension ExchangeTable {
    private mutating func learn(_ observations: [ThroughputRecord]) {
        let numbers = Dictionary(cards.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        for workloadClass in WorkloadClass.allCases {
            var series: [ThroughputRecord.Key: Int] = [:]
            var sights: [ThroughputLearning.Sight] = []
            let ours = observations.filter { $0.key.workloadClass == workloadClass }
            for record in ours.sorted(by: { $0.key < $1.key }) {
                guard let card = numbers[record.key.card] else {
                    problems.append("throughput of \(record.key): the catalogue has no such card")
                    continue
                }
                guard let median = record.median, ThroughputRecord.valueRange.contains(median) else { continue }
                let known = cards[card]
                do {
                    let figures = try Self.figures(
                        known.fingerprint, known.name, workloadClass, record.key.precision)
                    var key = record.key
                    key.card = ""
                    let number = series[key] ?? series.count
                    series[key] = number
                    sights.append(
                        .init(
                            series: number, card: card, residual: Foundation.log(median) - figures.log,
                            count: record.count))
                } catch { problems.append("throughput of \(record.key): \(error.message)") }
            }
            learned[workloadClass] = ThroughputLearning.corrections(sights)
        }
    }

    /// Takes an operator's row in, unless its cards are not known or it leads back to itself.
    private mutating func take(_ row: ExchangeOverride) {
        do throws(ExchangeUnknown) {
            let card = try number(named: row.card)
            let of = try number(named: row.of)
            guard !leads(from: of, to: card, row.workloadClass) else {
                throw ExchangeUnknown(.ambiguousCard, "'\(row.card.prefix(64))' would be stated in terms of itself")
            }
            overrides[row.workloadClass, default: [:]][card, default: []].append(Override(row: row, of: of))
        } catch { problems.append("\(row.place): \(error.message)") }
    }
    private func leads(from start: Int, to card: Int, _ workloadClass: WorkloadClass) -> Bool {
        var seen: Set<Int> = []
        var queue = [start]
        while let next = queue.popLast() {
            if next == card { return true }
            if seen.insert(next).inserted { queue += overrides[workloadClass]?[next]?.map(\.of) ?? [] }
        }
        return false
    }
}
