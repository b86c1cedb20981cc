package import HCSModel

/// What /metrics tells beyond the agent's state: counters that only grow, and when things were seen last. A value; time
/// comes in as milliseconds since 1970.
package struct MetricsRecord: Hashable, Sendable {
    /// Codes of one device counted apart; later ones are `other`, by class.
    package static let maximumCodes = 32
    /// Devices remembered, gone ones included.
    package static let maximumDevices = 256

    package struct FaultKey: Hashable, Sendable, Comparable {
        package var family: String
        package var code: String
        package var faultClass: String

        package static func < (a: FaultKey, b: FaultKey) -> Bool {
            (a.family, a.code, a.faultClass) < (b.family, b.code, b.faultClass)
        }
    }

    package struct FaultCount: Hashable, Sendable {
        package var count: UInt64
        package var lastMilliseconds: Int64
        /// Counted at a library's word, while the log's line of the same fault may still come.
        fileprivate var untoldByLog: UInt64 = 0
        fileprivate var toldMilliseconds: Int64 = .min

        /// Whether a line of this time tells what the library told. A fault is older than its telling; the log's clock
        /// is not quite ours.
        fileprivate mutating func takes(lineAt milliseconds: Int64) -> Bool {
            let (late, overflow) = milliseconds.subtractingReportingOverflow(toldMilliseconds)
            guard untoldByLog > 0, !overflow, (-MetricsRecord.lineDelay...MetricsRecord.clockDifference).contains(late)
            else { return false }
            untoldByLog -= 1
            return true
        }
    }

    /// So long before the library's word, at most, was the line written that tells the same; so much may the clocks differ.
    static let lineDelay: Int64 = 180_000
    static let clockDifference: Int64 = 2_000

    package struct Device: Hashable, Sendable {
        package internal(set) var faults: [FaultKey: FaultCount] = [:]
        package internal(set) var lastSampleMilliseconds: Int64?
        fileprivate var window = Window()

        package init() {}

        /// Share of the passes that brought a sample, over the last five minutes or since the device came; nil before the
        /// first pass.
        package var coverage: Double? { window.share }
    }

    package private(set) var devices: [DeviceID: Device] = [:]
    package private(set) var unmatched: [Vendor: UInt64] = [:]
    package private(set) var passes = DurationHistogram()

    package init() {}

    /// One pass of the collector.
    package mutating func collected(
        devices known: [DeviceID], samples: [DeviceID: DeviceSample], seconds: Double, at now: Int64
    ) {
        passes.observe(seconds)
        for id in known {
            // The library's word that a device is lost is no telemetry of it.
            let sampled = samples[id].map { $0.vendorHealth != .lost } ?? false
            change(id) { device in
                device.window.count(sampled: sampled, at: now)
                if sampled { device.lastSampleMilliseconds = now }
            }
        }
    }

    /// A fault that concerns these devices, told by a line of the log: one that the library told before counts no more.
    package mutating func faulted(_ fault: Fault, devices ids: [DeviceID], faultClass: String) {
        change(fault, ids, faultClass) { counted in
            if !counted.takes(lineAt: fault.atMilliseconds) { counted.count += 1 }
        }
    }

    /// The same, told by a vendor's library.
    package mutating func told(_ fault: Fault, devices ids: [DeviceID], faultClass: String) {
        change(fault, ids, faultClass) { counted in
            counted.count += 1
            counted.untoldByLog += 1
            counted.toldMilliseconds = fault.atMilliseconds
        }
    }

    private mutating func change(
        _ fault: Fault, _ ids: [DeviceID], _ faultClass: String, _ body: (inout FaultCount) -> Void
    ) {
        let code = Self.text(of: fault)
        for id in ids {
            change(id) { device in
                var key = FaultKey(family: fault.family, code: code, faultClass: faultClass)
                if device.faults[key] == nil, device.faults.count >= Self.maximumCodes {
                    key = FaultKey(family: "other", code: "other", faultClass: faultClass)
                }
                var counted = device.faults[key] ?? FaultCount(count: 0, lastMilliseconds: fault.atMilliseconds)
                body(&counted)
                counted.lastMilliseconds = max(counted.lastMilliseconds, fault.atMilliseconds)
                device.faults[key] = counted
            }
        }
    }

    package mutating func faultedUnknown(_ vendor: Vendor) { unmatched[vendor, default: 0] += 1 }

    /// As the vendor writes it: Huawei's codes are hexadecimal, of eight digits.
    private static func text(of fault: Fault) -> String {
        guard fault.vendor == .ascend else { return String(fault.code) }
        let digits = String(fault.code, radix: 16, uppercase: true)
        return "0x" + String(repeating: "0", count: max(0, 8 - digits.utf8.count)) + digits
    }

    private mutating func change(_ id: DeviceID, _ body: (inout Device) -> Void) {
        guard devices[id] != nil || devices.count < Self.maximumDevices else { return }
        body(&devices[id, default: Device()])
    }

    /// Passes of the last five minutes, in slots of ten seconds.
    fileprivate struct Window: Hashable, Sendable {
        private static let slotMilliseconds: Int64 = 10_000
        private static let slots: Int64 = 30

        private struct Slot: Hashable {
            var number: Int64
            var passes: UInt32 = 0
            var sampled: UInt32 = 0
        }

        private var slots: [Slot] = []

        mutating func count(sampled: Bool, at now: Int64) {
            let number = now / Self.slotMilliseconds
            // A clock that was set back starts anew.
            slots.removeAll { $0.number <= number - Self.slots || $0.number > number }
            if slots.last?.number != number { slots.append(Slot(number: number)) }
            slots[slots.count - 1].passes += 1
            slots[slots.count - 1].sampled += sampled ? 1 : 0
        }

        var share: Double? {
            let passes = slots.reduce(0) { $0 + $1.passes }
            return passes == 0 ? nil : Double(slots.reduce(0) { $0 + $1.sampled }) / Double(passes)
        }
    }
}
