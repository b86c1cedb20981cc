import HCSHealth
import HCSModel
import Testing

private let start = HealthFixtures.start
private let one = DeviceID("GPU-1")
private let two = DeviceID("GPU-2")

@Suite struct HostFaultTests {
    private func analyzer(_ policy: HealthPolicy = HealthFixtures.policy) -> HealthAnalyzer {
        var analyzer = HealthAnalyzer(policy: policy, bootID: HealthFixtures.boot)
        analyzer.update(
            devices: [
                HealthFixtures.device("GPU-1"), HealthFixtures.device("GPU-2", pci: "0000:86:00.0"),
            ], at: start)
        return analyzer
    }

    private func sample(_ analyzer: inout HealthAnalyzer, pids: [Int32] = [7], at now: Int64 = start) {
        for id in [one, two] {
            analyzer.record(
                DeviceSample(
                    memoryUsed: .gibibytes(4), vendorHealth: .good,
                    processes: pids.map { .init(pid: $0, memory: .gibibytes(3)) }), for: id, at: now)
        }
    }

    private func process(
        _ kind: HostFault.Kind, _ devices: [String] = [], seconds: Double? = nil, at now: Int64 = start
    ) -> HostFault {
        HostFault(
            kind: kind, severity: .uncorrected, devices: devices.compactMap { PCIAddress($0) }, pid: 7,
            seconds: seconds, message: "m", source: "test", atMilliseconds: now)
    }

    @Test func `a stuck call concerns the device that it names, not all that its process holds`() {
        var analyzer = analyzer()
        sample(&analyzer)
        let now = start + 1000
        #expect(analyzer.record(process(.stuckCall, ["0000:86:00.0"], seconds: 200, at: now)) == .counted([two]))
        let healths = analyzer.evaluate(at: now)
        #expect(healths[one]?.reasons.isEmpty == true)
        #expect(healths[two]?.reasons.map(\.factor) == ["stuck-process"])
        #expect(
            analyzer.record(process(.stuckCall, ["0000:ff:00.0"], seconds: 200, at: now)) == .counted([one, two]),
            "none of the named is known: the process's own count")
    }

    @Test func `letting go of one device leaves the call on another, and the process's end none`() {
        var analyzer = analyzer()
        sample(&analyzer, pids: [])
        for address in ["0000:3b:00.0", "0000:86:00.0"] {
            #expect(analyzer.record(process(.holderFound, [address])) == .notDeviceFault)
            _ = analyzer.record(process(.stuckCall, [address], seconds: 200))
        }
        _ = analyzer.record(process(.holderGone, ["0000:3b:00.0"]))
        #expect(analyzer.evaluate(at: start)[one]?.reasons.isEmpty == true)
        #expect(analyzer.evaluate(at: start)[two]?.reasons.count == 1)
        _ = analyzer.record(process(.stuckCall, ["0000:3b:00.0"], seconds: 200))
        #expect(analyzer.record(process(.holderGone)) == .counted([one, two]))
        #expect(analyzer.evaluate(at: start).values.allSatisfy { $0.reasons.isEmpty })
    }

    @Test func `memory is abandoned only where nobody could hold it`() throws {
        let policy = try HealthPolicy(
            yaml: HealthFixtures.policyText + "\nprocesses: {abandonedSeconds: 10, abandonedGibibytes: 2}\n",
            name: "test")
        func factors(_ before: (inout HealthAnalyzer) -> Void, pids: [Int32] = []) -> [String]? {
            var analyzer = analyzer(policy)
            before(&analyzer)
            for second in Int64(1)...20 { sample(&analyzer, pids: pids, at: start + second * 1000) }
            return analyzer.evaluate(at: start + 20_000)[one]?.reasons.map(\.factor)
        }
        #expect(factors { sample(&$0) } == ["abandoned-memory"])
        #expect(factors { sample(&$0, pids: []) } == [], "a library that never listed one cannot tell")
        #expect(factors({ sample(&$0) }, pids: [8]) == [], "the library lists a process")
        #expect(
            factors {
                sample(&$0)
                _ = $0.record(process(.holderFound, ["0000:3b:00.0"]))
            } == [], "a process has the device open")
    }

    @Test func `a program's fault that the library tells as well is one, whichever tells first`() throws {
        let policy = try HealthPolicy(
            yaml: """
                duplicates: {windowSeconds: 180, sameFault: []}
                coverage: {minimumShare: 0}
                groups: {application-xid: {weight: 0.05, cap: 0.9, minimumJobs: 1}}
                """, name: "test")
        func penalties(_ tellings: [(job: String?, seconds: Int64)]) -> [Double]? {
            var analyzer = analyzer(policy)
            sample(&analyzer)
            for telling in tellings {
                var fault = HealthFixtures.fault(13, at: start + telling.seconds * 1000)
                fault.job = telling.job
                _ = analyzer.record(fault)
            }
            return analyzer.evaluate(at: start)[one]?.reasons.map { ($0.penalty * 100).rounded() }
        }
        #expect(penalties([("a", 0), (nil, 5)]) == [5], "the line, then the library")
        #expect(penalties([(nil, 0), ("a", 5)]) == [5], "the library, then the line")
        #expect(penalties([("a", 0), ("b", 5), (nil, 10)]) == [10], "two jobs, and the library's word of them")
        #expect(penalties([("a", 0), (nil, 200)]) == [10], "another one, later")
    }

    private func line(_ kind: HostFault.Kind, _ sequence: UInt64?, simulated: Bool = false) -> HostFault {
        HostFault(
            kind: kind, severity: .uncorrected, message: "m", source: "kernel-log", atMilliseconds: start,
            simulated: simulated, sequence: sequence)
    }

    @Test(arguments: [HostFault.Kind.kernelOops, .hungTask, .diskError])
    func `a line of the kernel log about the host counts once, and never a simulated one`(kind: HostFault.Kind) {
        var first = analyzer()
        #expect(first.record(line(kind, 4, simulated: true)) == .notDeviceFault)
        #expect(first.record(line(kind, 5)) == .counted([]))
        #expect(first.record(line(kind, 5)) == .duplicate)
        let reason = first.nodeHealth(at: start).reasons
        #expect(reason.map(\.factor) == [kind.rawValue] && reason[0].penalty < 0.45)
        #expect(first.evaluate(at: start).values.allSatisfy { $0.reasons.allSatisfy { $0.factor == "coverage" } })
        var next = HealthAnalyzer(policy: HealthFixtures.policy, bootID: HealthFixtures.boot, state: first.state)
        #expect(next.record(line(kind, 5)) == .duplicate, "the log is read again after a restart")
    }

    @Test func `an oops stands until a reboot, disk errors decay`() {
        var before = analyzer()
        _ = before.record(line(.kernelOops, 1))
        _ = before.record(line(.diskError, 2))
        let later = start + 400 * 86_400_000
        #expect(before.nodeHealth(at: later).reasons.map(\.factor) == ["kernel-oops"])
        let after = HealthAnalyzer(policy: HealthFixtures.policy, bootID: "another", state: before.state)
        #expect(after.nodeHealth(at: start).reasons.map(\.factor) == ["disk-error"])
    }

    @Test func `NVSwitches without a fabric manager hold new work off the node while it is so`() {
        var analyzer = analyzer()
        func tell(_ severity: HostFault.Severity) -> HealthAnalyzer.FaultOutcome {
            analyzer.record(
                HostFault(
                    kind: .fabricManager, severity: severity, message: "4 NVSwitches", source: "test",
                    atMilliseconds: start))
        }
        #expect(tell(.corrected) == .duplicate)
        #expect(tell(.uncorrected) == .counted([]))
        #expect(tell(.uncorrected) == .duplicate)
        let health = analyzer.nodeHealth(at: start)
        #expect(health.score == 55 && !health.band.acceptsWork)
        #expect(health.reasons.map(\.detail) == ["4 NVSwitches"])
        #expect(tell(.corrected) == .counted([]))
        #expect(analyzer.nodeHealth(at: start).score == 100)
    }
}
