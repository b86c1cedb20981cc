import Foundation
import HCSModel
import HCSPlacement
import Testing

@Suite struct ExchangeTableTests {
    static func card(
        _ name: String, _ tflops: [Precision: Double], _ bandwidth: Double?, vendor: Vendor = .nvidia,
        aliases: [String] = [], memory: UInt64? = 80, confidence: Fingerprint.Confidence = .datasheet
    ) -> ExchangeCard {
        ExchangeCard(
            vendor: vendor, name: name, aliases: aliases, memory: memory.map { .gibibytes($0) },
            fingerprint: Fingerprint(
                tflops: tflops, bandwidthGBps: bandwidth, confidence: confidence, source: "sheet of \(name)"))
    }

    static let a100 = card("NVIDIA A100-SXM4-80GB", [.fp16: 312, .bf16: 312], 2039, aliases: ["A100-80G"])
    static let h100 = card("NVIDIA H100 80GB HBM3", [.fp16: 989, .bf16: 989, .fp8: 1979], 3350, aliases: ["H100"])
    static let t4 = card("Tesla T4", [.fp16: 65], 320, aliases: ["T4"], memory: 16)
    static let ascend = card(
        "910B3", [.fp16: 313, .bf16: 313], 1600, vendor: .ascend, aliases: ["Ascend910B3"], memory: 64,
        confidence: .derived)
    static let silent = card("310P1", [.fp16: 86.8], nil, vendor: .ascend, memory: 24, confidence: .derived)
    static let cards = [a100, h100, t4, ascend, silent]

    static func seen(
        _ card: ExchangeCard, _ value: Double, workload: String = "llama", unit: String = "tokens/s",
        class workloadClass: WorkloadClass = .decode, times: Int = 9
    ) -> ThroughputRecord {
        var record = ThroughputRecord(
            key: .init(
                card: card.name, workloadClass: workloadClass, precision: .fp16, workload: workload, unit: unit))
        for time in 0..<times { record.add(value, at: Int64(time)) }
        return record
    }

    static func stated(
        _ card: String, _ rate: Double, _ of: String, class workloadClass: WorkloadClass = .decode,
        precision: Precision? = nil
    ) -> ExchangeOverride {
        ExchangeOverride(
            card: card, of: of, rate: rate, workloadClass: workloadClass, precision: precision, source: "measured",
            place: "x.yaml line 1")
    }

    static func device(_ card: ExchangeCard, partition: DevicePartition? = nil) -> Device {
        var device = Device(
            id: DeviceID("GPU-1"), vendor: card.vendor, model: card.name, index: 0, memory: card.memory ?? .zero,
            fingerprint: card.fingerprint, simulated: true)
        device.details.partition = partition
        if let partition {
            device.model += " MIG 1g.10gb"
            device.fingerprint.tflops = card.fingerprint.tflops.mapValues { $0 * partition.share }
            device.fingerprint.bandwidthGBps = card.fingerprint.bandwidthGBps.map { $0 / 8 }
        }
        return device
    }

    private func rate(_ table: ExchangeTable, _ a: String, _ b: String, _ c: WorkloadClass = .decode) throws -> Double {
        try table.rate(a, b, class: c, precision: .fp16).rate
    }

    @Test func `decode follows memory bandwidth, training and prefill follow compute`() throws {
        let table = ExchangeTable(cards: Self.cards)
        let bandwidth = 3350.0 / 2039
        let compute = 989.0 / 312
        func expect(_ workloadClass: WorkloadClass, _ weight: Double) throws {
            let found = try rate(table, "H100", "A100-80G", workloadClass)
            #expect(abs(found - pow(compute, weight) * pow(bandwidth, 1 - weight)) < 1e-9)
        }
        try expect(.training, 0.8)
        try expect(.prefill, 0.9)
        try expect(.decode, 0.1)
        try expect(.embedding, 0.7)
        // More compute, less bandwidth: ahead in one and behind in the other.
        #expect(try rate(table, "910B3", "A100-80G", .decode) < 0.85)
        #expect(try rate(table, "910B3", "A100-80G", .prefill) > 0.97)
    }

    @Test func `rates are symmetric and transitive, and the terms make the rate`() throws {
        var random = SplitMix64(state: 7)
        func draw(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &random) }
        for _ in 0..<40 {
            let cards = (0..<6).map {
                Self.card("card\($0)", [.fp16: draw(1...3000), .fp32: draw(1...200)], draw(10...8000))
            }
            var records: [ThroughputRecord] = []
            for workloadClass in WorkloadClass.allCases {
                for workload in ["a", "b", "c"] {
                    records += cards.filter { _ in draw(0...1) < 0.6 }.map {
                        Self.seen($0, draw(0.1...1e6), workload: workload, class: workloadClass)
                    }
                }
            }
            let overrides = draw(0...1) < 0.5 ? [] : [Self.stated("card1", draw(0.01...100), "card4")]
            let table = ExchangeTable(cards: cards, observations: records, overrides: overrides)
            #expect(table.problems.isEmpty)
            for workloadClass in WorkloadClass.allCases {
                func rate(_ a: Int, _ b: Int) throws -> ExchangeRate {
                    try table.rate("card\(a)", "card\(b)", class: workloadClass, precision: .fp16)
                }
                for a in 0..<6 {
                    for b in 0..<6 {
                        let there = try rate(a, b)
                        #expect(abs(there.rate * (try rate(b, a).rate) - 1) < 1e-9)
                        #expect(abs(there.terms.reduce(1) { $0 * $1.factor } / there.rate - 1) < 1e-9)
                        #expect(there.low <= there.rate && there.rate <= there.high && there.rate.isFinite)
                        for c in 0..<6 {
                            let through = try rate(a, c).rate * rate(c, b).rate
                            #expect(abs(through / there.rate - 1) < 1e-9)
                        }
                    }
                }
            }
        }
    }

    @Test func `a figure that nobody published is a reason, never a number`() {
        let table = ExchangeTable(cards: Self.cards)
        #expect {
            try table.rate("A100-80G", "H100", class: .decode, precision: .fp8)
        } throws: { error in
            guard let error = error as? ExchangeUnknown else { return false }
            return error.code == .noFigure && error.message.contains("A100") && error.message.contains("fp8")
                && error.message.contains("it has fp16, bf16") && error.message.contains("sheet of")
        }
        #expect {
            try table.rate("310P1", "H100", class: .training, precision: .fp16)
        } throws: { ($0 as? ExchangeUnknown)?.message.contains("memory bandwidth") == true }
        for device in [Self.device(Self.silent), Self.device(Self.t4)] {
            let share = table.share(of: .teraflops(5, .fp8), class: .decode, on: device)
            guard case .failure(let reason) = share else { Issue.record("\(share)"); continue }
            #expect(reason.message.contains("fp8"))
        }
    }

    @Test(arguments: [0, -1, .nan, .infinity])
    func `a figure that is no figure counts as missing`(figure: Double) {
        let table = ExchangeTable(cards: [Self.a100, Self.card("odd", [.fp16: figure], 100)])
        #expect(throws: ExchangeUnknown.self) {
            try table.rate("odd", "A100-80G", class: .training, precision: .fp16)
        }
        let other = ExchangeTable(cards: [Self.a100, Self.card("odd", [.fp16: 10], figure)])
        #expect(throws: ExchangeUnknown.self) {
            try other.rate("odd", "A100-80G", class: .training, precision: .fp16)
        }
    }

    @Test func `names are those people use; an unknown one is answered with the nearest`() throws {
        let table = ExchangeTable(cards: Self.cards)
        #expect(try table.card(named: "a100-80g").name == Self.a100.name)
        #expect(try table.card(named: "Huawei Ascend 910B3").name == "910B3")
        #expect {
            try table.card(named: "910B4")
        } throws: { ($0 as? ExchangeUnknown)?.message.contains("nearest names: 910B3") == true }
        #expect {
            try table.card(named: "H1OO")
        } throws: { ($0 as? ExchangeUnknown)?.message.contains("H100") == true }
        for name in ["", "\u{1b}[2J", String(repeating: "x", count: 100_000), "completely different"] {
            #expect(throws: ExchangeUnknown.self) { try table.card(named: name) }
        }
        let twins = ExchangeTable(cards: [
            Self.card("X 40", [:], nil, aliases: ["X"], memory: 40), Self.card("X 80", [:], nil, aliases: ["X"]),
        ])
        #expect {
            try twins.card(named: "X")
        } throws: { ($0 as? ExchangeUnknown)?.message == "'X' is several cards: X 40, X 80" }
    }

    // MARK: Shares

    @Test func `TFLOPS are a smaller share of a faster card, and more than a whole of a slow one`() throws {
        let table = ExchangeTable(cards: Self.cards)
        func share(_ tflops: Double, _ c: WorkloadClass?, _ card: ExchangeCard) throws -> Int {
            try table.share(of: .teraflops(tflops, .fp16), class: c, on: Self.device(card)).get()
        }
        // The unit's own card, exactly.
        for workloadClass in WorkloadClass.allCases {
            #expect(try share(312, workloadClass, Self.a100) == 1000)
            #expect(try share(31.2, workloadClass, Self.a100) == 100)
        }
        #expect(try share(100, .training, Self.h100) < share(100, .training, Self.a100))
        #expect(try share(100, nil, Self.h100) == share(100, .training, Self.h100))
        #expect(try share(100, .decode, Self.h100) > share(100, .training, Self.h100))
        #expect(try share(300, .training, Self.t4) > 1000)
        #expect(try share(1e-9, .training, Self.h100) == 1)
        #expect(try table.share(of: .share(250), class: .decode, on: Self.device(Self.silent)).get() == 250)
        for bad in [0, -1, Double.nan, .infinity] {
            #expect(throws: ExchangeUnknown.self) { try share(bad, .training, Self.h100) }
        }
    }

    @Test func `a part of a card has its share of its compute and bandwidth`() throws {
        let table = ExchangeTable(cards: Self.cards, overrides: [Self.stated("H100", 2, "A100-80G")])
        let part = DevicePartition(card: DeviceID("GPU-0"), profile: "1g.10gb", slices: 1, cardSlices: 7)
        for (card, whole) in [(Self.a100, 312.0), (Self.h100, 624.0)] {
            let tflops = try table.teraflops(of: Self.device(card, partition: part), class: .decode, .fp16).get()
            #expect(abs(tflops - whole * pow(1 / 7.0, 0.1) * pow(1 / 8.0, 0.9)) < 1e-6)
        }
    }

    @Test func `a card of which only the device tells is reckoned by its own figures`() throws {
        let table = ExchangeTable(cards: [])
        #expect(
            try table.share(of: .teraflops(156, .fp16), class: .decode, on: Self.device(Self.a100)).get() == 500)
    }

    // MARK: Observations

    @Test func `observations move the rate towards what was seen, more the more workloads agree`() throws {
        // Seen to be as fast as each other, where the figures say 1.8.
        func table(_ workloads: Int) -> ExchangeTable {
            ExchangeTable(
                cards: Self.cards,
                observations: (0..<workloads).flatMap { w in
                    [Self.h100, Self.a100].map { Self.seen($0, 1000 * Double(w + 1), workload: "w\(w)") }
                })
        }
        var last = try rate(table(0), "H100", "A100-80G")
        var spread = Double.infinity
        for workloads in [1, 2, 4, 16, 64] {
            let now = try table(workloads).rate("H100", "A100-80G", class: .decode, precision: .fp16)
            #expect(now.rate < last && now.rate > 1)
            #expect(now.high / now.low < spread)
            #expect(now.terms.contains { $0.kind == .observed && $0.detail.contains("\(workloads) workload") })
            (last, spread) = (now.rate, now.high / now.low)
        }
        #expect(last < 1.05)
        #expect(try table(64).rate("H100", "A100-80G", class: .decode, precision: .fp16).confidence == .high)
        #expect(try table(0).rate("H100", "A100-80G", class: .decode, precision: .fp16).confidence == .medium)
        // Another class knows nothing of it; another precision of the class does.
        #expect(try rate(table(16), "H100", "A100-80G", .training) == rate(table(0), "H100", "A100-80G", .training))
        let other = try table(16).rate("H100", "A100-80G", class: .decode, precision: .bf16)
        #expect(abs(other.rate - (try rate(table(16), "H100", "A100-80G"))) < 1e-9)
    }

    @Test func `what compares nothing changes nothing`() throws {
        let plain = ExchangeTable(cards: Self.cards)
        for records in [
            [Self.seen(Self.h100, 1e9)],
            [Self.seen(Self.h100, 1e9), Self.seen(Self.a100, 1, unit: "images/s")],
            [Self.seen(Self.h100, 1e9), Self.seen(Self.a100, 1, workload: "other")],
            [Self.seen(Self.h100, 1e9), Self.seen(Self.a100, 1, class: .training)],
        ] {
            let table = ExchangeTable(cards: Self.cards, observations: records)
            #expect(try rate(table, "H100", "A100-80G") == rate(plain, "H100", "A100-80G"))
        }
    }

    @Test func `repeating a report does not make it many workloads`() throws {
        func table(_ times: Int) -> ExchangeTable {
            ExchangeTable(
                cards: Self.cards,
                observations: [Self.seen(Self.h100, 100, times: times), Self.seen(Self.a100, 100, times: times)])
        }
        let figures = try rate(table(0), "H100", "A100-80G")
        let often = try rate(table(100_000), "H100", "A100-80G")
        #expect(often > figures * 0.6)
    }

    @Test func `a wrong report moves a card by a bounded factor, and least where others agree`() throws {
        let figures = try rate(ExchangeTable(cards: Self.cards), "H100", "A100-80G")
        for wrong in [1e-9, 1e15] {
            let alone = ExchangeTable(
                cards: Self.cards, observations: [Self.seen(Self.h100, wrong), Self.seen(Self.a100, 100)])
            let moved = abs(Foundation.log(try rate(alone, "H100", "A100-80G") / figures))
            #expect(moved > 0.1 && moved < Foundation.log(2))
            // Four honest workloads beside it.
            let honest = (0..<4).flatMap {
                [
                    Self.seen(Self.h100, 100 * figures, workload: "w\($0)"),
                    Self.seen(Self.a100, 100, workload: "w\($0)"),
                ]
            }
            let among = ExchangeTable(
                cards: Self.cards,
                observations: honest + [Self.seen(Self.h100, wrong), Self.seen(Self.a100, 100)])
            #expect(abs(Foundation.log(try rate(among, "H100", "A100-80G") / figures)) < moved * 0.8)
        }
    }

    @Test func `the newest nine reports count by their median`() {
        var record = ThroughputRecord(
            key: .init(card: "c", workloadClass: .decode, precision: .fp16, workload: "w", unit: "u"))
        #expect(record.median == nil)
        for value in [1e12, 5, 5, 5, 5, 0.001, 5, 1e9, 5] { record.add(value, at: 1) }
        #expect(record.median == 5)
        for value in 0..<9 { record.add(100 + Double(value), at: 2) }
        #expect(record.median == 104 && record.count == 18 && record.values.count == 9)
        record.values = [4, 2]
        #expect(record.median == 3)
    }

    @Test func `what names an unknown card is told and left out`() {
        let table = ExchangeTable(
            cards: Self.cards, observations: [Self.seen(Self.card("X1", [:], nil), 5), Self.seen(Self.silent, 5)],
            overrides: [Self.stated("X2", 1, "H100"), Self.stated("H100", 1, "X3")])
        #expect(table.problems.count == 4)
        #expect(table.problems.contains { $0.hasPrefix("x.yaml line 1: ") && $0.contains("X3") })
    }

    // MARK: Overrides

    @Test func `an operator's word replaces figures and observations`() throws {
        let records = [Self.seen(Self.ascend, 1000), Self.seen(Self.a100, 1)]
        let table = ExchangeTable(
            cards: Self.cards, observations: records, overrides: [Self.stated("910B3", 0.6, "A100-80G")])
        let found = try table.rate("910B3", "A100-80G", class: .decode, precision: .bf16)
        #expect(abs(found.rate - 0.6) < 1e-12 && found.confidence == .stated && found.low == found.high)
        #expect(found.terms.map(\.kind) == [.stated])
        #expect(found.terms.contains { $0.detail.contains("measured") })
        // Another class is as before.
        #expect(try rate(table, "910B3", "A100-80G", .training) > 0.9)
        // Against a third card it is as much less as the other is.
        let third = try rate(table, "910B3", "H100") / rate(table, "A100-80G", "H100")
        #expect(abs(third - 0.6) < 1e-9)
    }

    @Test func `an operator's word gives a rate to a card without figures`() throws {
        let table = ExchangeTable(cards: Self.cards, overrides: [Self.stated("310P1", 0.1, "A100-80G")])
        #expect(abs(try rate(table, "310P1", "A100-80G") - 0.1) < 1e-12)
        #expect(
            try table.share(of: .teraflops(15.6, .fp16), class: .decode, on: Self.device(Self.silent)).get() == 500)
    }

    @Test func `a word for one precision goes before the word for all, the last before the first`() throws {
        let table = ExchangeTable(
            cards: Self.cards,
            overrides: [
                Self.stated("910B3", 0.5, "A100-80G", precision: .fp16), Self.stated("910B3", 0.7, "A100-80G"),
                Self.stated("910B3", 0.8, "A100-80G"),
            ])
        #expect(abs(try rate(table, "910B3", "A100-80G") - 0.5) < 1e-12)
        let other = try table.rate("910B3", "A100-80G", class: .decode, precision: .bf16)
        #expect(abs(other.rate - 0.8) < 1e-12)
    }

    @Test func `words in a circle are told and end the circle`() throws {
        let table = ExchangeTable(
            cards: Self.cards,
            overrides: [
                Self.stated("H100", 2, "A100-80G"), Self.stated("A100-80G", 2, "910B3"),
                Self.stated("910B3", 2, "H100"), Self.stated("T4", 1, "T4"),
            ])
        #expect(table.problems.count == 2)
        #expect(abs(try rate(table, "H100", "910B3") - 4) < 1e-9)
    }
}
