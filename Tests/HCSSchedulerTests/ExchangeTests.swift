import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import HCSStore
import HCSTestSupport
import Logging
import Testing

@Suite struct ExchangeTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func report(
        _ card: String = "910B3", _ throughput: Double = 1000, workload: String = "llama", baseline: Double? = 1000,
        by: String = "ada@host"
    ) -> ThroughputReport {
        ThroughputReport(
            card: card, workloadClass: .decode, precision: .fp16, workload: workload, unit: "tokens/s",
            throughput: throughput, baseline: baseline.map { .init(card: "A100-80G", throughput: $0) }, by: by)
    }

    @Test func `a report moves the rate, is told with who told it, and survives a restart`() async throws {
        let store = MemoryStore()
        let first = try await open(store)
        func rate(_ scheduler: Scheduler) async throws -> Double {
            try await scheduler.exchangeRate(from: "910B3", to: "A100-80G", class: .decode, precision: .fp16).rate
        }
        let figures = try await rate(first)
        let records = try await first.report(report())
        #expect(records.items.map(\.key.card) == ["910B3", "NVIDIA A100-SXM4-80GB"])
        let moved = try await rate(first)
        #expect(moved > figures && moved < 1)
        let events = await first.events(
            after: 0, limit: 10, wait: .zero, filter: EventFilter(kinds: [.throughputReported]))
        #expect(events.items.count == 2 && events.items.allSatisfy { $0.by == "ada@host" })
        #expect(events.items.first?.message == "llama (decode, fp16) on 910B3: 1000.0 tokens/s")
        let second = try await open(store)
        #expect(try await rate(second) == moved)
        #expect(await second.throughput().items.map(\.count) == [1, 1])
    }

    @Test func `what was reported of a card and class is taken back, and stays so`() async throws {
        let store = MemoryStore()
        let scheduler = try await open(store)
        func rate(_ scheduler: Scheduler) async throws -> Double {
            try await scheduler.exchangeRate(from: "910B3", to: "A100-80G", class: .decode, precision: .fp16).rate
        }
        let figures = try await rate(scheduler)
        _ = try await scheduler.report(report())
        _ = try await scheduler.report(report(workload: "qwen"))
        var training = report(baseline: nil)
        training.workloadClass = .training
        _ = try await scheduler.report(training)
        #expect(try await rate(scheduler) != figures)
        func forget(_ card: String, _ precision: Precision? = nil, _ workload: String? = nil) async throws -> [String] {
            try await scheduler.forget(
                ForgetThroughputRequest(
                    card: card, workloadClass: .decode, precision: precision, workload: workload, by: "ada@host")
            ).items.map(\.key.workload)
        }
        #expect(try await forget("910B3", .bf16).isEmpty)
        #expect(try await forget("910B3", nil, "llama") == ["llama"])
        #expect(try await forget("910B3") == ["qwen"])
        #expect(try await rate(scheduler) == figures)
        let revision = await scheduler.revision
        #expect(try await forget("910B3").isEmpty)
        #expect(await scheduler.revision == revision)
        // By an alias too; another class and the baseline's card had stayed.
        #expect(await scheduler.throughput().items.count == 3)
        #expect(try await forget("a100 80gb") == ["llama", "qwen"])
        let events = await scheduler.events(
            after: 0, limit: 10, wait: .zero, filter: EventFilter(kinds: [.throughputForgotten]))
        #expect(events.items.map(\.by) == ["ada@host", "ada@host", "ada@host"])
        #expect(events.items.last?.message == "what llama, qwen did on NVIDIA A100-SXM4-80GB (decode) counts no more")
        #expect(try await open(store).throughput().items.map(\.key.workloadClass) == [.training])
        await #expect { _ = try await forget("A100-8OG") } throws: { ($0 as? APIProblem)?.status == 404 }
        await #expect { _ = try await forget("910B3", nil, "a\nb") } throws: { ($0 as? APIProblem)?.status == 400 }
    }

    @Test func `what was reported of a card that left the catalogue can be taken back`() async throws {
        let store = MemoryStore()
        let old = ThroughputRecord(
            key: .init(card: "Gone 9", workloadClass: .decode, precision: .fp16, workload: "w", unit: "tokens/s"),
            values: [1], count: 1, updatedMilliseconds: 1)
        _ = try await store.commit(StateChange(throughput: [old]), expecting: .zero)
        let scheduler = try await open(store)
        let request = ForgetThroughputRequest(card: "Gone 9", workloadClass: .decode, by: "ada")
        #expect(try await scheduler.forget(request).items == [old])
        #expect(await scheduler.throughput().items.isEmpty)
    }

    @Test func `what is not understood is refused, and nothing is kept of it`() async throws {
        let scheduler = try await open()
        var twin = report("A100-80G")
        let bad: [(ThroughputReport, Int)] = [
            (report("A100-8OG"), 404), (report(baseline: .nan), 400), (report("910B3", 0), 400),
            (report("910B3", -1), 400), (report("910B3", .infinity), 400), (report("910B3", 1e16), 400),
            (report(workload: ""), 400), (report(workload: "a\nb"), 400), (report(by: ""), 400),
            (report(workload: String(repeating: "w", count: 129)), 400), (twin, 400),
        ]
        for (report, status) in bad {
            do {
                _ = try await scheduler.report(report)
                Issue.record("taken: \(report)")
            } catch { #expect(error.status == status, "\(error)") }
        }
        twin.baseline = nil
        #expect(await scheduler.throughput().items.isEmpty)
        _ = try await scheduler.report(twin)
    }

    @Test func `only so many are kept: the one that was not reported for longest goes`() async throws {
        let store = MemoryStore()
        let old = (0..<APILimits.throughputRecords).map { number in
            ThroughputRecord(
                key: .init(
                    card: "910B3", workloadClass: .decode, precision: .fp16, workload: "w\(number)", unit: "tokens/s"),
                values: [1], count: 1, updatedMilliseconds: Int64(number) - 5_000)
        }
        _ = try await store.commit(StateChange(throughput: old), expecting: .zero)
        let scheduler = try await open(store)
        for number in 0..<3 { _ = try await scheduler.report(report(workload: "new\(number)", baseline: nil)) }
        let kept = Set(await scheduler.throughput().items.map(\.key.workload))
        #expect(kept.count == APILimits.throughputRecords && !kept.contains("w2") && kept.contains("w3"))
        #expect(await store.load().throughput.count == APILimits.throughputRecords)
    }

    @Test func `the pool's cards are told with their worth or the reason why it is not known`() async throws {
        let scheduler = try await open()
        var one = ReportMaker(node: "n1")
        func device(_ id: String, _ model: String, _ vendor: Vendor, _ gibibytes: UInt64, _ figures: Fingerprint)
            -> DeviceReport
        {
            var report = gpu(id, memory: gibibytes)
            report.device.vendor = vendor
            report.device.model = model
            report.device.fingerprint = figures
            return report
        }
        let a100 = Fingerprint(
            tflops: [.fp16: 312], bandwidthGBps: 2039, confidence: .datasheet, source: "sheet")
        _ = try await scheduler.receive(
            one.make([
                device("a", "NVIDIA A100-SXM4-80GB", .nvidia, 80, a100),
                device("b", "NVIDIA A100-SXM4-80GB", .nvidia, 80, a100),
                device("c", "Unheard", .ascend, 64, .unknown),
            ]))
        let view = await scheduler.exchange(class: .decode, precision: .fp16)
        #expect(view.unit == "NVIDIA A100-SXM4-80GB" && view.items.map(\.devices) == [2, 1])
        #expect(abs((view.items.first?.teraflops ?? 0) - 312) < 1e-9 && view.items.allSatisfy { $0.simulated })
        #expect(view.items.last?.unknown?.contains("Unheard has no published fp16") == true)
    }

    // MARK: Files

    private static let good = """
        rates:
          - card: 910B3
            of: A100-80G
            rate: 0.62
            class: decode
            precision: bf16
            source: our chat benchmark
          - {card: H20, of: H100, rate: 1.1, class: decode, source: the same}
        """

    @Test func `an operator's rates are read in the order of the files' names, with their lines`() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write(Self.good, to: "exchange.d/10-a.yaml")
        _ = try directory.write("rates: []\n", to: "exchange.d/05-empty.yml")
        _ = try directory.write("nonsense", to: "exchange.d/.hidden.yaml")
        _ = try directory.write("nonsense", to: "exchange.d/readme.txt")
        let rows = try ExchangeFiles.read(directory.file("exchange.d"))
        #expect(rows.map(\.card) == ["910B3", "H20"] && rows.map(\.precision) == [.bf16, nil])
        #expect(rows.map(\.place).allSatisfy { $0.contains("10-a.yaml line ") } && rows[0].place.hasSuffix("line 2"))
        let book = ExchangeBook(overrides: rows)
        #expect(book.table.problems.isEmpty)
        let rate = try book.table.rate("910B3", "A100-80G", class: .decode, precision: .bf16)
        #expect(abs(rate.rate - 0.62) < 1e-12 && rate.confidence == .stated)
        #expect(try ExchangeFiles.read(directory.file("none")).isEmpty)
    }

    @Test(arguments: [
        (
            "rates:\n  - {card: 910B3, of: A100-80G, rate: 1, class: decode}\n",
            "line 2: rates[0]: field 'source' is missing"
        ),
        ("rates:\n  - {card: a, of: b, rate: 1, class: decode, source: ''}\n", "line 2: rates[0].source"),
        ("rates:\n  - {card: a, of: b, rate: 0, class: decode, source: s}\n", "rates[0].rate: must be"),
        ("rates:\n  - {card: a, of: b, rate: -1, class: decode, source: s}\n", "rates[0].rate"),
        ("rates:\n  - {card: a, of: b, rate: .nan, class: decode, source: s}\n", "rates[0].rate"),
        ("rates:\n  - {card: a, of: b, rate: .inf, class: decode, source: s}\n", "rates[0].rate"),
        ("rates:\n  - {card: a, of: b, rate: x, class: decode, source: s}\n", "rates[0].rate"),
        ("rates:\n  - {card: a, of: b, rate: 1, class: chat, source: s}\n", "rates[0].class"),
        ("rates:\n  - card: a\n    off: b\n", "line 3: rates[0]: unknown field 'off'"),
        ("rate: []\n", "line 1: unknown field 'rate'"), ("rates: {}\n", "rates"), ("rates\n", "mapping"),
        ("rates: [\n", "line "), ("rates: []\nrates: []\n", "twice"), ("\u{0}", "exchange.d"),
    ])
    func `a file that is not understood is refused with its line`(text: String, words: String) throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write(text, to: "exchange.d/x.yaml")
        let error = #expect(throws: ModelError.self) { try ExchangeFiles.read(directory.file("exchange.d")) }
        #expect(
            error?.message.contains("x.yaml") == true && error?.message.contains(words) == true,
            "\(error?.message ?? "")")
    }

    @Test func `a rate of a card that nobody knows ends the start with its line`() async throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write(
            "rates:\n  - {card: 910B3, of: A100-8OG, rate: 1, class: decode, source: s}\n", to: "etc/exchange.d/x.yaml")
        let daemon = SchedulerDaemon(
            configuration: SchedulerConfiguration(
                host: "127.0.0.1", port: 0, stateDirectory: directory.file("state"),
                configurationDirectory: directory.file("etc"), insecure: false),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await #expect {
            try await daemon.run()
        } throws: { error in
            let text = "\(error)"
            return text.contains("x.yaml line 2") && text.contains("A100-8OG") && text.contains("A100-80G")
        }
    }
}
