import Foundation
import HCSHealth
import HCSModel
import Testing

/// Plays a scenario through the pure core, as the agent would: samples at their interval, faults the moment they come.
struct ScenarioRun {
    static let start: Int64 = 1_700_000_000_000

    private let scenario: Scenario
    private let policy: HealthPolicy
    private var analyzer: HealthAnalyzer
    private var boot = 0
    private var misses: UInt64 = 0
    /// Every judgement, for properties that hold all the way.
    var judged: (Int64, HealthAnalyzer, [DeviceID: DeviceHealth]) throws -> Void = { _, _, _ in }

    init(_ scenario: Scenario) throws {
        self.scenario = scenario
        policy = try HealthPolicy(yaml: scenario.policy ?? "", name: scenario.what)
        analyzer = HealthAnalyzer(policy: policy, bootID: "boot 0", sampleSeconds: scenario.sampleSeconds ?? 10)
    }

    private var devices: [Device] {
        scenario.devices.enumerated().map { index, card in
            var device = Device(
                id: DeviceID(card.id), vendor: card.vendor, model: card.model ?? "Card", index: UInt32(index),
                memory: .gibibytes(80), pci: PCIAddress(card.pci), simulated: true)
            device.details.links = (card.links ?? []).enumerated().map { lane, peer in
                DeviceLink(
                    kind: .nvlink, lane: lane, up: true, peer: PCIAddress(peer) == nil ? .fabric : .device,
                    peerAddress: PCIAddress(peer))
            }
            return device
        }
    }

    private enum Step {
        case sweep
        case event(Scenario.Event)
        case expect(Scenario.Point)

        /// Of what happens at one time: first events, then samples, then what is asked.
        var rank: Int {
            switch self {
            case .event: 0
            case .sweep: 1
            case .expect: 2
            }
        }
    }

    private var steps: [(at: Int64, step: Step)] {
        let end = scenario.expect.map(\.at.milliseconds).max() ?? 0
        let interval = Int64((scenario.sampleSeconds ?? 10) * 1000)
        var steps: [(at: Int64, step: Step)] = stride(from: 0, through: end, by: Int64.Stride(interval)).map {
            ($0, .sweep)
        }
        for event in scenario.events ?? [] {
            for i in 0..<(event.times ?? 1) {
                steps.append((event.at.milliseconds + Int64(i) * (event.every?.milliseconds ?? 0), .event(event)))
            }
        }
        steps += scenario.expect.map { ($0.at.milliseconds, .expect($0)) }
        return steps.filter { $0.at <= end }.enumerated().sorted {
            ($0.element.at, $0.element.step.rank, $0.offset) < ($1.element.at, $1.element.step.rank, $1.offset)
        }.map(\.element)
    }

    /// Lets other tests have the thread now and then.
    mutating func play() async throws {
        analyzer.update(devices: devices, at: Self.start)
        for (i, (at, step)) in steps.enumerated() {
            if i.isMultiple(of: 50) { await Task.yield() }
            let now = Self.start + at
            switch step {
            case .sweep: sweep(at)
            case .event(let event): try happen(event, at: now)
            case .expect(let point):
                try check(point, now)
                continue
            }
            try judged(now, analyzer, analyzer.judge(at: now))
        }
    }

    private mutating func sweep(_ at: Int64) {
        for device in devices {
            if let sample = sample(of: device, at) { analyzer.record(sample, for: device.id, at: Self.start + at) }
        }
    }

    private func sample(of device: Device, _ at: Int64) -> DeviceSample? {
        var sample = DeviceSample()
        for segment in scenario.samples where segment.devices?.contains(device.id.uuid) ?? true {
            let from = segment.from?.milliseconds ?? 0, to = segment.to?.milliseconds ?? .max
            guard from <= at, at < to else { continue }
            if segment.silent == true { return nil }
            if let health = segment.health { sample.vendorHealth = health }
            if let codes = segment.codes {
                sample.faultCodes = codes.compactMap {
                    $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : UInt64($0)
                }
            }
            if let used = segment.used { sample.memoryUsed = .gibibytes(used) }
            if let pids = segment.processes { sample.processes = pids.map { .init(pid: $0, memory: .gibibytes(1)) } }
            for (name, value) in segment.signals ?? [:] {
                guard let key = SignalKey(name) else { continue }
                switch value {
                case .constant(let value): sample.signals[key] = value
                case .ramp(let a, let b):
                    let share = Double(at - from) / Double(max(1, to - from))
                    let value: Double = a + (b - a) * share
                    sample.signals[key] = key.signal.traits.kind == .counter ? value.rounded(.down) : value
                }
            }
        }
        return sample
    }

    private mutating func happen(_ event: Scenario.Event, at now: Int64) throws {
        if let fault = event.fault { _ = analyzer.record(try self.fault(fault, at: now)) }
        if let host = event.host { _ = analyzer.record(try self.host(host, at: now)) }
        if let missed = event.missed {
            misses += UInt64(missed)
            analyzer.record(missedDeadlines: misses, vendor: event.vendor ?? .nvidia, simulated: true, at: now)
        }
        if let answer = event.answer {
            analyzer.record(answerMilliseconds: answer, vendor: event.vendor ?? .nvidia, simulated: true, at: now)
        }
        if event.restart == true || event.reboot == true {
            if event.reboot == true { boot += 1 }
            let state = try JSONDecoder().decode(HealthState.self, from: JSONEncoder().encode(analyzer.state))
            misses = 0
            analyzer = HealthAnalyzer(
                policy: policy, bootID: "boot \(boot)", state: state, sampleSeconds: scenario.sampleSeconds ?? 10)
            analyzer.update(devices: devices, at: now)
        }
        if let id = event.setHealthy {
            _ = try analyzer.setHealthy(DeviceID(id), reason: "a test", actor: "tester", at: now)
        }
    }

    private func fault(_ text: Scenario.FaultText, at now: Int64) throws -> Fault {
        let code = try #require(FaultCode(text.code))
        let digits = code.code
        let number = digits.hasPrefix("0x") ? UInt32(digits.dropFirst(2), radix: 16) : UInt32(digits)
        return Fault(
            family: code.family, code: try #require(number), vendor: try #require(Vendor(rawValue: code.vendor)),
            pci: text.pci.flatMap { PCIAddress($0) }, message: text.message ?? "", record: text.record, sequence: nil,
            atMilliseconds: now, simulated: true, source: text.source ?? "kernel-log", job: text.job)
    }

    private func host(_ text: Scenario.HostText, at now: Int64) throws -> HostFault {
        let isNode = text.devices == nil && text.pid == nil
        return HostFault(
            kind: try #require(HostFault.Kind(rawValue: text.kind)),
            severity: try #require(HostFault.Severity(rawValue: text.severity ?? "uncorrected")),
            count: text.count ?? 1, devices: (text.devices ?? []).compactMap { PCIAddress($0) }, pid: text.pid,
            seconds: text.seconds, subject: text.subject, message: text.message ?? "", source: "probe",
            atMilliseconds: now,
            simulated: !isNode)
    }

    private func check(_ point: Scenario.Point, _ now: Int64) throws {
        let place: Comment = "\(point.device ?? "the only device") at \((now - Self.start) / 1000) s"
        let id = point.device ?? scenario.devices[0].id
        let health =
            id == "node" ? analyzer.nodeHealth(at: now) : try #require(analyzer.evaluate(at: now)[DeviceID(id)], place)
        #expect(health.score == point.score, "\(place): \(health.reasons)")
        #expect(health.band == point.band, "\(place): score \(health.score.map(String.init) ?? "unknown")")
        if let factors = point.factors { #expect(health.reasons.map(\.factor) == factors, place) }
        if let advice = point.advice { #expect(health.reasons.first?.advice == advice, place) }
        if let code = point.code { #expect(health.reasons.first?.code == code, place) }
    }
}
