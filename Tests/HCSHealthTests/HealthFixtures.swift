import Foundation
import HCSHealth
import HCSModel

/// A small policy of round numbers, so that tests say what they mean; the shipped file has its own test.
enum HealthFixtures {
    static let start: Int64 = 1_700_000_000_000
    static let boot = "boot-a"

    static let policy = HealthPolicy(
        coverage: .init(maximumSampleAgeSeconds: 60, source: "test"),
        unresponsive: .init(missesInARow: 3, weight: 0.1, cap: 0.5, halfLifeSeconds: 900, source: "test"),
        temperature: [.nvidia: .init(warnCelsius: 80, badCelsius: 90, cap: 0.25, source: "test")],
        vendorHealth: [
            .good: .init(penalty: 0, latched: false, source: "test"),
            .warning: .init(penalty: 0.2, latched: false, source: "test"),
            .critical: .init(penalty: 1, latched: false, source: "test"),
            .lost: .init(penalty: 1, latched: true, source: "test"),
        ],
        throughput: .init(minimumShare: 0.7, penalty: 0.1, source: "test"),
        faults: [
            .init(
                family: "xid", vendor: .nvidia, hard: .init(codes: [79, 48], source: "test"),
                soft: [
                    .init(
                        name: "contained", codes: [94], weight: 0.25, cap: 0.6, halfLifeSeconds: 1000, source: "test"),
                    .init(name: "other", codes: [63, 92], weight: 0.1, cap: 0.2, halfLifeSeconds: 100, source: "test"),
                ])
        ])

    static func device(
        _ uuid: String, pci: String? = "0000:3b:00.0", vendor: Vendor = .nvidia, simulated: Bool = false
    ) -> Device {
        Device(
            id: DeviceID(uuid), vendor: vendor, model: "Card", index: 0, memory: .gibibytes(80),
            pci: pci.flatMap { PCIAddress($0) }, simulated: simulated)
    }

    /// A card of 100 TFLOPS and 1000 GB/s that was measured at these shares of them.
    static func measured(
        compute: Double?, bandwidth: Double?, simulated: Bool = false, confidence: Fingerprint.Confidence = .datasheet
    ) -> Fingerprint {
        Fingerprint(
            tflops: [.fp16: 100], bandwidthGBps: 1000, confidence: confidence, source: "test",
            measured: MeasuredFingerprint(
                tflops: compute.map { [.fp16: 100 * $0] } ?? [:], bandwidthGBps: bandwidth.map { 1000 * $0 },
                method: "test", atMilliseconds: start, simulated: simulated))
    }

    static func fault(
        _ code: UInt32, pci: String? = "0000:3b:00.0", sequence: UInt64? = nil, at: Int64 = start,
        simulated: Bool = false,
        family: String = "xid", vendor: Vendor = .nvidia, message: String? = nil
    ) -> Fault {
        Fault(
            family: family, code: code, vendor: vendor, pci: pci.flatMap { PCIAddress($0) },
            message: message ?? "message of \(code)",
            sequence: sequence, atMilliseconds: at, simulated: simulated)
    }

    /// An analyzer with the given devices, each with one good sample at `start`.
    static func analyzer(_ devices: [Device], state: HealthState? = nil) -> HealthAnalyzer {
        var analyzer = HealthAnalyzer(policy: policy, bootID: boot, state: state)
        analyzer.update(devices: devices, at: start)
        for device in devices {
            analyzer.record(DeviceSample(temperatureCelsius: 40, vendorHealth: .good), for: device.id, at: start)
        }
        return analyzer
    }
}

/// Repeatable randomness (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
