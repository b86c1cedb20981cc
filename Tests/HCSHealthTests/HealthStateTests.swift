import Foundation
import HCSHealth
import HCSModel
import Testing

private let start = HealthFixtures.start
private let card = DeviceID("GPU-1")

@Suite struct HealthStateTests {
    private func reread(_ state: HealthState) throws -> HealthState {
        try JSONDecoder().decode(HealthState.self, from: JSONEncoder().encode(state))
    }

    @Test func `everything remembered survives writing and reading`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        for code: UInt32 in [79, 94, 63, 31, 154] {
            _ = analyzer.record(HealthFixtures.fault(code, sequence: UInt64(code), message: "to 0x3 (x)"))
        }
        var sample = DeviceSample(temperatureCelsius: 50, utilizationPercent: 90)
        sample.signals[.eccCorrected] = 12
        analyzer.record(sample, for: card, at: start + 10_000)
        _ = analyzer.judge(at: start + 10_000)
        _ = try analyzer.setHealthy(card, reason: "looked at", actor: "root", at: start + 20_000)
        _ = analyzer.record(HealthFixtures.fault(48, sequence: 99, at: start + 30_000))
        let state = analyzer.state
        #expect(try reread(state) == state)
        #expect(state.clearings.map(\.actor) == ["root"] && state.entries.first?.memory.history.count ?? 0 >= 4)
    }

    @Test func `a file of the first version is read`() throws {
        let text = """
            {"version": 1, "bootID": "boot-a", "sequences": [7], "entries": [{"device": "GPU-1",
              "latches": [{"factor": "xid", "code": 79, "detail": "Xid 79", "source": "kernel-log",
                "sinceMilliseconds": 1, "lastMilliseconds": 1, "count": 1}],
              "buckets": {"xid/contained-memory-error": {"value": 0.25, "atMilliseconds": \(start),
                "sinceMilliseconds": 1, "count": 1}}}]}
            """
        let state = try JSONDecoder().decode(HealthState.self, from: Data(text.utf8))
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")], state: state)
        let reasons = try #require(analyzer.evaluate(at: start)[card]?.reasons)
        #expect(reasons.map(\.factor) == ["xid", "contained-memory-error"])
        #expect(analyzer.record(HealthFixtures.fault(94, sequence: 7)) == .duplicate)
    }

    @Test func `record numbers are kept in whatever distance they stand`() throws {
        for numbers: [UInt64] in [[], [0], [0, 1, 2, 9, 10, 20, 1 << 40, .max], Array(100..<4196)] {
            let state = HealthState(bootID: "b", sequences: numbers)
            #expect(try reread(state).sequences == numbers)
        }
        let text = String(
            decoding: try JSONEncoder().encode(HealthState(bootID: "b", sequences: [7, 9, 22])), as: UTF8.self)
        #expect(text.contains(#""records":"7 2 13""#))
        let older = #"{"version": 2, "bootID": "b", "entries": [], "sequences": [7, 9]}"#
        #expect(try JSONDecoder().decode(HealthState.self, from: Data(older.utf8)).sequences == [7, 9])
    }

    @Test(arguments: [
        "{}", "[]", #"{"version": 3, "bootID": "b", "entries": []}"#, #"{"version": -1, "bootID": "b", "entries": []}"#,
        #"{"version": 2, "bootID": 7, "entries": []}"#, #"{"version": 2, "bootID": "b", "entries": [{"device": 1}]}"#,
        #"{"version": 2, "bootID": "b", "entries": [{"device": "x", "latches": [{"factor": "xid", "code": -1}]}]}"#,
        #"{"version": 2, "bootID": "b", "entries": [], "records": [7]}"#,
        #"{"version": 2, "bootID": "b", "entries": [], "records": "7 x"}"#,
        #"{"version": 2, "bootID": "b", "entries": [], "records": "7 0"}"#,
        #"{"version": 2, "bootID": "b", "entries": [], "records": "18446744073709551615 1"}"#,
        "{\"version\": 2, \"bootID\": \"b\", \"entries\": [], \"records\": \"1\(String(repeating: " 1", count: 4096))\"}",
    ])
    func `a file that is no state is an error`(text: String) {
        #expect(throws: (any Error).self) { try JSONDecoder().decode(HealthState.self, from: Data(text.utf8)) }
    }

    @Test func `a hostile file is cut, and its numbers trap nothing`() throws {
        let latch = """
            {"factor": "xid", "code": 79, "detail": "", "source": "", "sinceMilliseconds": \(Int64.min),
             "lastMilliseconds": \(Int64.max), "count": \(UInt64.max), "repair": "reset", "bootID": "old",
             "repairedMilliseconds": \(Int64.min), "holders": [-1]}
            """
        let bucket =
            #"{"value": 1e308, "atMilliseconds": \#(Int64.min), "sinceMilliseconds": \#(Int64.max), "count": \#(UInt64.max)}"#
        let buckets =
            (0..<200).map { "\"g\($0)\": \(bucket)" } + ["\"link-fault\": \(bucket)", "\"other-soft-xid\": \(bucket)"]
        let counters = (0..<200).map { "\"c\($0)\": 1e308" } + ["\"energy\": -1e308"]
        let text = """
            {"version": 2, "bootID": "boot-a", "sequences": [\(UInt64.max), 0, 0], "entries": [{"device": "GPU-1",
              "latches": [\(Array(repeating: latch, count: 100).joined(separator: ","))],
              "buckets": {\(buckets.joined(separator: ","))},
              "sightings": {"nvidia/xid/94": [\(Int64.min), \(Int64.max)]},
              "jobs": {"application-xid": [{"name": "x", "atMilliseconds": \(Int64.min)}]},
              "recovery": {"action": \(Int.max), "sinceMilliseconds": \(Int64.min), "source": ""},
              "history": [{"atMilliseconds": \(Int64.min), "kind": "latched", "code": "nvidia/xid/48", "detail": ""}],
              "slow": {"corrected": {"binMilliseconds": \(Int64.min), "binCount": 1e308, "smoothed": 1e308,
                 "worst": {"value": 1e308, "atMilliseconds": \(Int64.min), "sinceMilliseconds": 0}, "mean": 1e308,
                 "variance": -1e308, "bins": \(Int.max), "sum": 1e308, "alarmMilliseconds": \(Int64.max)},
                "trend": {"points": [{"atMilliseconds": \(Int64.min), "value": 1e308},
                 {"atMilliseconds": \(Int64.max), "value": -1e308}], "isResidual": false,
                 "binMilliseconds": \(Int64.max), "total": 1e308, "count": 0, "slope": 1e308},
                "counters": {\(counters.joined(separator: ","))},
                "band": {"band": "suspect", "belowHealthy": \(Int64.max), "aboveHealthy": \(Int64.min)}}}]}
            """
        let state = try JSONDecoder().decode(HealthState.self, from: Data(text.utf8))
        #expect(state.entries[0].memory.latches.count == DeviceMemory.maximumLatches)
        #expect(state.entries[0].memory.buckets.count <= DeviceMemory.maximumCodes)
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")], state: state)
        for now in [start, start + 700_000, .max, .min, 0] {
            var sample = DeviceSample(temperatureCelsius: 50, vendorHealth: .good, faultCodes: [.max, 0])
            for signal in Signal.allCases { sample.signals[signal] = signal.traits.plausible.upperBound }
            analyzer.record(sample, for: card, at: now)
            for code: UInt32 in [48, 94, 13, 154, 63] { _ = analyzer.record(HealthFixtures.fault(code, at: now)) }
            for kind in HostFault.Kind.allCases {
                for severity in HostFault.Severity.allCases {
                    _ = analyzer.record(
                        HostFault(
                            kind: kind, severity: severity, count: .max, devices: [], pid: .min, seconds: 1e300,
                            message: "", source: "", atMilliseconds: now))
                    _ = analyzer.record(
                        HostFault(
                            kind: kind, severity: severity, count: .max,
                            devices: [PCIAddress(domain: 0, bus: 0x3b, device: 0, function: 0)], pid: 7,
                            seconds: .nan, message: "", source: "", atMilliseconds: now))
                }
            }
            analyzer.record(answerMilliseconds: .nan, vendor: .nvidia, simulated: false, at: now)
            let health = try #require(analyzer.judge(at: now)[card])
            #expect((0...100).contains(health.score ?? 0))
            #expect(health.reasons.allSatisfy { (0...1).contains($0.penalty) })
            _ = try JSONEncoder().encode(analyzer.state)
        }
    }

    @Test func `what changes all the time is no reason to write`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        let before = analyzer.state.pressing
        for tick in Int64(1)...20 {
            var sample = DeviceSample(temperatureCelsius: 50, utilizationPercent: 90)
            sample.signals[.eccCorrected] = Double(tick)
            analyzer.record(sample, for: card, at: start + tick * 10_000)
            _ = analyzer.judge(at: start + tick * 10_000)
        }
        #expect(analyzer.state.pressing == before)
        _ = analyzer.record(HealthFixtures.fault(94))
        #expect(analyzer.state.pressing != before)
    }

    @Test func `a storm of a hundred thousand records is counted in little memory and loses no hard fault`() {
        var policy = HealthFixtures.policy
        policy.duplicates.windowSeconds = 180
        var analyzer = HealthAnalyzer(policy: policy, bootID: "b")
        analyzer.update(devices: [HealthFixtures.device("GPU-1")], at: start)
        var counted = 0
        for i in 0..<100_000 {
            let code: UInt32 = i == 70_000 ? 79 : 31
            let outcome = analyzer.record(
                HealthFixtures.fault(code, sequence: UInt64(i), at: start + Int64(i) * 6 / 10, message: "m"))
            if case .counted = outcome { counted += 1 }
        }
        #expect(counted <= 3, "merged before anything follows from it")
        #expect(analyzer.evaluate(at: start + 60_000)[card]?.score == 0)
        #expect(analyzer.state.entries.first?.memory.history.count ?? 0 <= DeviceMemory.maximumRecords)
    }
}

@Suite struct DuplicateFilterTests {
    @Test func `a fault counts once in the window from its first telling, and a worse telling of it counts`() {
        var filter = DuplicateFilter()
        func admit(_ key: String, _ faultClass: FaultClass, _ at: Int64, sets: [Int] = []) -> Bool {
            filter.admit(key, sets: sets, faultClass: faultClass, at: at, windowSeconds: 180)
        }
        #expect(admit("94", .soft, 0, sets: [0]))
        #expect(!admit("94", .soft, 179_999, sets: [0]))
        #expect(!admit("ecc", .soft, 1000, sets: [0]), "another telling of the same fault")
        #expect(admit("48", .hard, 2000, sets: [0]), "a worse one")
        #expect(!admit("94", .soft, 3000, sets: [0]))
        #expect(admit("13", .application, 3000))
        #expect(admit("94", .soft, 182_000, sets: [0]), "an endless storm goes on counting")
        #expect(!admit("94", .soft, 100_000, sets: [0]), "a clock that goes back makes no new fault")
    }

    @Test func `a kernel-log number counts once, in any order`() {
        var window = SequenceWindow([5, 3])
        for (number, isNew) in [(UInt64(3), false), (4, true), (5, false), (6, true), (4, false), (1, true)] {
            let result = window.insert(number)
            #expect(result == isNew, "\(number)")
        }
        for number in UInt64(10)..<20_000 {
            let isNew = window.insert(number)
            #expect(isNew)
        }
        let again = window.insert(19_000), old = window.insert(2)
        #expect(!again && !old, "the second is older than all that is remembered")
        #expect(window.latest.count == SequenceWindow.limit)
    }
}

@Suite struct TemperatureTrendTests {
    @Test func `the slope is the median of all pairs, which one hot day does not move`() throws {
        func points(_ values: [Double]) -> [TemperatureTrend.Point] {
            values.enumerated().map { .init(atMilliseconds: Int64($0.offset) * 86_400_000, value: $0.element) }
        }
        let steady = try #require(TemperatureTrend.slope(points([60, 61, 62, 63, 64]), minimumDays: 4))
        #expect(steady == 1)
        let hot = try #require(TemperatureTrend.slope(points([60, 61, 90, 63, 64]), minimumDays: 4))
        #expect(hot == 1, "slopes 1 (six times of ten) are the median")
        #expect(TemperatureTrend.slope(points([60, 61, 62, 63]), minimumDays: 4) == nil, "too short a time")
        #expect(TemperatureTrend.slope([], minimumDays: 0) == nil)
    }
}

@Suite struct SlotWindowTests {
    @Test func `samples that come count against those that are due`() {
        var window = SlotWindow(windowSeconds: 300, slotSeconds: 10)
        #expect(window.count(at: 5000, since: 0) == (0, 0), "none was due yet")
        for second in stride(from: Int64(0), to: 600, by: 10) where !(200..<260).contains(second) {
            window.mark(second * 1000)
        }
        #expect(window.count(at: 300_000, since: 0) == (23, 29))
        #expect(window.count(at: 600_000, since: 0) == (30, 30))
        #expect(window.count(at: 600_000, since: 550_000) == (4, 4))
        #expect(window.count(at: 10_000_000, since: 0) == (0, 30))
        for now in [Int64.max, .min] {
            window.mark(now)
            _ = window.count(at: .min, since: .max)
            _ = window.count(at: .max, since: .min)
            _ = window.recent(at: 0)
        }
    }
}
