package import HCSModel

/// `POST /v1/local/leases` of an agent: a share of one device for a command that the caller runs itself (`hcs run`).
/// Strict: an unknown field is an error.
package struct LeaseRequest: Hashable, Sendable, Codable {
    /// What is asked for: a maker or a runtime, exactly one of them.
    package var vendor: Vendor?
    package var runtime: Runtime?
    /// This device and no other; nil = the one with most free memory.
    package var device: DeviceID?
    package var bytes: ByteCount
    /// For people; the rules of a workload's name.
    package var name: String?
    /// The process that becomes the command: the lease lives at least as long as it.
    package var pid: Int32
    /// Field 22 of its /proc/PID/stat.
    package var startTime: UInt64

    package init(
        vendor: Vendor? = nil, runtime: Runtime? = nil, device: DeviceID? = nil, bytes: ByteCount, name: String? = nil,
        pid: Int32, startTime: UInt64
    ) {
        self.vendor = vendor
        self.runtime = runtime
        self.device = device
        self.bytes = bytes
        self.name = name
        self.pid = pid
        self.startTime = startTime
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case vendor, runtime, device, bytes, name, pid, startTime
    }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        vendor = try c.decodeIfPresent(Vendor.self, forKey: .vendor)
        runtime = try c.decodeIfPresent(Runtime.self, forKey: .runtime)
        device = try c.decodeIfPresent(DeviceID.self, forKey: .device)
        bytes = try c.decode(ByteCount.self, forKey: .bytes)
        name = try c.decodeIfPresent(String.self, forKey: .name)
        pid = try c.decode(Int32.self, forKey: .pid)
        startTime = try c.decode(UInt64.self, forKey: .startTime)
    }

    /// The makers whose devices will do.
    package var vendors: [Vendor] { vendor.map { [$0] } ?? runtime?.vendors ?? [] }

    /// Throws the first thing that is wrong, in words for the caller.
    package func validate() throws(ModelError) {
        func bad(_ message: String) -> ModelError { ModelError(.badRequest, message) }
        guard (vendor == nil) != (runtime == nil) else { throw bad("give a vendor or a runtime, exactly one of them") }
        try Self.validate(bytes: bytes)
        if let name, !Self.isName(name) {
            throw bad("name '\(name.prefix(80))' must be 1 to 63 of a-z 0-9 - . and start with a letter or digit")
        }
        guard pid > 1, startTime > 0 else {
            throw bad("pid and startTime must name the process that will run the command")
        }
    }

    /// A size that a quota may have.
    package static func validate(bytes: ByteCount) throws(ModelError) {
        guard bytes.bytes > 0 else { throw ModelError(.badRequest, "vram must be more than 0") }
        guard bytes.bytes <= 1 << 50 else {
            throw ModelError(.badRequest, "vram \(bytes) is more than 1024Ti: not a device of this world")
        }
    }

    private static func isName(_ name: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) }
        guard (1...63).contains(name.utf8.count), let first = name.utf8.first, isPlain(first) else { return false }
        return name.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
}

/// What the command's environment must differ in from its caller's.
package struct EnvironmentChange: Hashable, Sendable, Codable {
    package var set: [String: String]
    /// Put before what the caller has there, with a colon between.
    package var prepend: [String: String]
    package var unset: [String]

    package init(set: [String: String], prepend: [String: String], unset: [String]) {
        self.set = set
        self.prepend = prepend
        self.unset = unset
    }

    package func applied(to environment: [String: String]) -> [String: String] {
        var result = environment
        for name in unset { result[name] = nil }
        for (name, value) in set { result[name] = value }
        for (name, value) in prepend {
            // A command that leases again below another lease would carry the same path twice.
            let theirs = (result[name] ?? "").split(separator: ":").map(String.init).filter { $0 != value }
            result[name] = ([value] + theirs).joined(separator: ":")
        }
        return result
    }
}

/// A lease that was given: what to run the command with. It ends with the command's processes.
package struct Lease: Hashable, Sendable, Codable {
    package var id: WorkloadID
    package var grant: DeviceGrant
    package var simulated: Bool
    package var environment: EnvironmentChange

    package init(id: WorkloadID, grant: DeviceGrant, simulated: Bool, environment: EnvironmentChange) {
        self.id = id
        self.grant = grant
        self.simulated = simulated
        self.environment = environment
    }
}

/// A lease as its agent sees it.
package struct LeaseObservation: Hashable, Sendable, Codable {
    /// Who promised the memory: always the agent itself, never the scheduler.
    package enum Origin: String, Codable, Hashable, Sendable { case local }

    package var id: WorkloadID
    package var origin: Origin
    package var name: String?
    package var uid: UInt32
    package var pid: Int32
    package var startTime: UInt64
    package var grant: DeviceGrant
    package var startedMilliseconds: Int64
    /// Read from the segment.
    package var usage: [DeviceUsage]
    /// Live processes that hold a slot of the segment.
    package var processes: Int

    package init(
        id: WorkloadID, origin: Origin = .local, name: String?, uid: UInt32, pid: Int32, startTime: UInt64,
        grant: DeviceGrant, startedMilliseconds: Int64, usage: [DeviceUsage], processes: Int
    ) {
        self.id = id
        self.origin = origin
        self.name = name
        self.uid = uid
        self.pid = pid
        self.startTime = startTime
        self.grant = grant
        self.startedMilliseconds = startedMilliseconds
        self.usage = usage
        self.processes = processes
    }
}
