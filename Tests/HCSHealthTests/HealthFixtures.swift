import Foundation
import HCSHealth
import HCSModel

/// A small policy of round numbers, so that tests say what they mean; the shipped file has its own test.
enum HealthFixtures {
    static let start: Int64 = 1_700_000_000_000
    static let boot = "boot-a"

    /// Xid 79 and 48 are hard, 94 and 63 soft, 31 a program's.
    static let policyText = """
        duplicates: {windowSeconds: 0, sameFault: []}
        hysteresis: {downSeconds: 0, upSeconds: 0, upMargin: 0}
        coverage: {minimumShare: 0}
        temperature:
          hygon: {cap: 0}
        groups:
          contained-memory-error: {weight: 0.25, cap: 0.6, halfLifeSeconds: 1000}
          row-remap: {weight: 0.1, cap: 0.2}
          other-soft-xid: {weight: 0.1, cap: 0.2, halfLifeSeconds: 100}
        """

    static let policy: HealthPolicy = {
        do { return try HealthPolicy(yaml: policyText, name: "the tests' policy") } catch { fatalError("\(error)") }
    }()

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
