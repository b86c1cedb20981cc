package import HCSModel

/// Compares what the driver counts by process with what the segments explain. Pure: sightings and `now` in, escapes out.
/// A surplus counts when it stands in two samples of its device running (conventions, "Environment of a workload").
package struct EscapeDetector: Sendable {
    /// A surplus up to this, or up to 1/50 of what the driver counts, is rounding.
    package static let tolerance = ByteCount.mebibytes(64)
    /// Allowed to a process of a real device whose context nobody measured (`overhead_bytes` is 0): a CUDA context with
    /// its modules takes some hundred MiB, and no innocent process may be called an escape for it.
    package static let unmeasuredContext = ByteCount.gibibytes(1)
    package static let samplesNeeded = 2
    /// A changed limit is put back at once; it is shown this long.
    package static let limitChangeShownMilliseconds: Int64 = 60_000
    /// Escapes that are shown at once, largest first.
    package static let maximum = 256

    /// What a segment says of one process on one device.
    package struct Claim: Hashable, Sendable {
        package var workload: WorkloadID
        package var used: ByteCount
        package var overhead: ByteCount

        package init(workload: WorkloadID, used: ByteCount, overhead: ByteCount) {
            self.workload = workload
            self.used = used
            self.overhead = overhead
        }
    }

    /// One process on one device in one sample.
    package struct Sighting: Hashable, Sendable {
        package var device: DeviceID
        package var simulated: Bool
        package var pid: Int32
        package var startTime: UInt64
        package var driverBytes: ByteCount
        package var claim: Claim?
        package var uid: UInt32?
        package var commandLine: String?
        /// By its place in the process tree; the claim's beats it.
        package var workload: WorkloadID?

        package init(
            device: DeviceID, simulated: Bool, pid: Int32, startTime: UInt64, driverBytes: ByteCount,
            claim: Claim? = nil
        ) {
            self.device = device
            self.simulated = simulated
            self.pid = pid
            self.startTime = startTime
            self.driverBytes = driverBytes
            self.claim = claim
        }

        /// What is not explained; nil while it is rounding.
        package var surplus: ByteCount? {
            var explained = ByteCount.zero
            if let claim {
                let context = claim.overhead == .zero && !simulated ? EscapeDetector.unmeasuredContext : claim.overhead
                explained = claim.used.adding(context)
            }
            let surplus = driverBytes.subtracting(explained)
            return surplus > max(EscapeDetector.tolerance, ByteCount(driverBytes.bytes / 50)) ? surplus : nil
        }

        fileprivate var kind: Escape.Kind { claim == nil ? .unmanaged : .overSegment }
    }

    package struct LimitChange: Hashable, Sendable {
        package var workload: WorkloadID
        package var device: DeviceID
        package var found: ByteCount
        package var right: ByteCount

        package init(workload: WorkloadID, device: DeviceID, found: ByteCount, right: ByteCount) {
            self.workload = workload
            self.device = device
            self.found = found
            self.right = right
        }
    }

    private struct Key: Hashable {
        var kind: Escape.Kind
        var device: DeviceID
        var pid: Int32?
        var startTime: UInt64?
        /// Only where there is no process.
        var workload: WorkloadID?
    }
    private struct Suspect { var samples: Int, escape: Escape, lastSeen: Int64 }
    private struct Total: Hashable { var device: DeviceID, kind: Escape.Kind }
    private var suspects: [Key: Suspect] = [:]
    private var counts: [Total: UInt64] = [:]

    package init() {}

    /// Takes one sample of each of `devices`. Returns the escapes that began with it.
    package mutating func record(
        _ sightings: [Sighting], of devices: Set<DeviceID>, limitChanges: [LimitChange] = [], at now: Int64
    ) -> [Escape] {
        var seen: Set<Key> = []
        var begun: [Escape] = []
        for sighting in sightings where devices.contains(sighting.device) {
            guard let surplus = sighting.surplus else { continue }
            let key = Key(
                kind: sighting.kind, device: sighting.device, pid: sighting.pid, startTime: sighting.startTime)
            let escape = Escape(
                kind: sighting.kind, device: sighting.device, bytes: surplus, pid: sighting.pid,
                startTime: sighting.startTime, uid: sighting.uid, commandLine: sighting.commandLine,
                workload: sighting.claim?.workload ?? sighting.workload, sinceMilliseconds: now)
            seen.insert(key)
            if let new = count(escape, key, at: now, needed: Self.samplesNeeded) { begun.append(new) }
        }
        suspects = suspects.filter { key, suspect in
            key.kind == .limitChanged
                ? now - suspect.lastSeen < Self.limitChangeShownMilliseconds
                : seen.contains(key) || !devices.contains(key.device)
        }
        for change in limitChanges {
            let key = Key(kind: .limitChanged, device: change.device, workload: change.workload)
            let escape = Escape(
                kind: .limitChanged, device: change.device, bytes: change.found.subtracting(change.right),
                workload: change.workload, sinceMilliseconds: now)
            if let new = count(escape, key, at: now, needed: 1) { begun.append(new) }
        }
        return begun
    }

    private mutating func count(_ escape: Escape, _ key: Key, at now: Int64, needed: Int) -> Escape? {
        var suspect = suspects[key] ?? Suspect(samples: 0, escape: escape, lastSeen: now)
        let since = suspect.escape.sinceMilliseconds
        suspect.samples += 1
        suspect.lastSeen = now
        suspect.escape = escape
        suspect.escape.sinceMilliseconds = since
        suspects[key] = suspect
        guard suspect.samples == needed else { return nil }
        counts[Total(device: escape.device, kind: escape.kind), default: 0] += 1
        return suspect.escape
    }

    /// Those that go on, largest first.
    package var current: [Escape] {
        let all = suspects.filter { $0.key.kind == .limitChanged || $0.value.samples >= Self.samplesNeeded }
            .values.map(\.escape)
        let sorted = all.sorted { a, b in
            a.bytes != b.bytes
                ? a.bytes > b.bytes : (a.device, a.pid ?? 0, a.kind.rawValue) < (b.device, b.pid ?? 0, b.kind.rawValue)
        }
        return Array(sorted.prefix(Self.maximum))
    }

    /// How many began, since the agent started.
    package var totals: [EscapeCount] {
        counts.map { EscapeCount(device: $0.key.device, kind: $0.key.kind, count: $0.value) }
            .sorted { ($0.device, $0.kind.rawValue) < ($1.device, $1.kind.rawValue) }
    }
}
