/// Identity of a workload: a lower-case UUID given by the scheduler.
package struct WorkloadID: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    package let text: String

    /// nil unless the text is a lower-case 8-4-4-4-12 UUID: it becomes a file name.
    package init?(_ text: String) {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12],
            groups.joined().allSatisfy({ $0.isASCII && $0.isHexDigit && !$0.isUppercase })
        else { return nil }
        self.text = text
    }

    /// A random one; `generator` makes it repeatable in tests.
    package static func random(using generator: inout some RandomNumberGenerator) -> WorkloadID {
        var high = UInt64.random(in: .min ... .max, using: &generator)
        var low = UInt64.random(in: .min ... .max, using: &generator)
        high = high & ~0xF000 | 0x4000  // version 4
        low = low & ~(0b11 << 62) | (0b10 << 62)
        func hex(_ value: UInt64, _ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: width - digits.count) + digits
        }
        let h = hex(high, 16)
        let l = hex(low, 16)
        let text = [h.prefix(8), h.dropFirst(8).prefix(4), h.suffix(4), l.prefix(4), l.suffix(12)].joined(
            separator: "-")
        guard let id = WorkloadID(text) else { preconditionFailure("a UUID built from 128 bits has the UUID form") }
        return id
    }

    package static func < (a: WorkloadID, b: WorkloadID) -> Bool { a.text < b.text }
    package var description: String { text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = WorkloadID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(64))' is no workload UUID")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// When a workload that ended is started again.
package enum RestartPolicy: String, CaseIterable, Codable, Hashable, Sendable {
    case never
    /// After a failure, with exponential back-off.
    case onFailure = "on-failure"
    /// Only when its device failed: moved to a healthy one.
    case onDeviceFault = "on-device-fault"
}

/// What the user asked for. Checked by `validate()`.
package struct WorkloadSpec: Hashable, Sendable, Codable {
    package var name: String
    /// Argument vector, no shell.
    package var command: [String]
    package var environment: [String: String]
    package var workingDirectory: String?
    package var runtime: Runtime
    /// Of each device. Where devices are given whole: the least that each must have, or 0.
    package var vram: ByteCount
    package var placement: PlacementSpec
    package var restart: RestartPolicy
    /// Signal number sent first when the workload is stopped.
    package var stopSignal: Int32
    /// Time between the stop signal and SIGKILL.
    package var graceSeconds: Int
    /// nil = no limit.
    package var maximumRunSeconds: Int?

    package init(
        name: String, command: [String], environment: [String: String] = [:], workingDirectory: String? = nil,
        runtime: Runtime, vram: ByteCount, placement: PlacementSpec = PlacementSpec(),
        restart: RestartPolicy = .onDeviceFault, stopSignal: Int32 = 15, graceSeconds: Int = 10,
        maximumRunSeconds: Int? = nil
    ) {
        self.name = name
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.runtime = runtime
        self.vram = vram
        self.placement = placement
        self.restart = restart
        self.stopSignal = stopSignal
        self.graceSeconds = graceSeconds
        self.maximumRunSeconds = maximumRunSeconds
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case name, command, environment, workingDirectory, runtime, vram, placement, restart, stopSignal
        case graceSeconds, maximumRunSeconds
    }

    /// Strict: an unknown field is an error, so that a misspelt limit is never silently ignored.
    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        name = try c.decode(String.self, forKey: .name)
        command = try c.decode([String].self, forKey: .command)
        environment = try c.decodeIfPresent([String: String].self, forKey: .environment) ?? [:]
        workingDirectory = try c.decodeIfPresent(String.self, forKey: .workingDirectory)
        runtime = try c.decode(Runtime.self, forKey: .runtime)
        vram = try c.decode(ByteCount.self, forKey: .vram)
        placement = try c.decodeIfPresent(PlacementSpec.self, forKey: .placement) ?? PlacementSpec()
        restart = try c.decodeIfPresent(RestartPolicy.self, forKey: .restart) ?? .onDeviceFault
        stopSignal = try c.decodeIfPresent(Int32.self, forKey: .stopSignal) ?? 15
        graceSeconds = try c.decodeIfPresent(Int.self, forKey: .graceSeconds) ?? 10
        maximumRunSeconds = try c.decodeIfPresent(Int.self, forKey: .maximumRunSeconds)
    }

    package static let maximumArguments = 1024
    package static let maximumArgumentBytes = 128 << 10

    /// Variables that HCS sets itself; a workload may not.
    package static func isReserved(variable: String) -> Bool {
        variable == "LD_PRELOAD" || variable == "LD_AUDIT" || variable == "HCS_SEGMENT" || variable == "HCS_VRAM_QUOTA"
            || variable.hasSuffix("_VISIBLE_DEVICES")
    }

    /// Throws the first thing that is wrong, in words for the submitter.
    package func validate() throws(ModelError) {
        func bad(_ message: String) -> ModelError { ModelError(.badRequest, message) }
        guard PlacementSpec.isName(name) else {
            throw bad("name '\(name.prefix(80))' must be 1 to 63 of a-z 0-9 - . and start with a letter or digit")
        }
        guard let program = command.first, !program.isEmpty else {
            throw bad("command is empty: give an argument vector")
        }
        guard command.count <= Self.maximumArguments else {
            throw bad("command has more than \(Self.maximumArguments) arguments")
        }
        let size =
            command.reduce(0) { $0 + $1.utf8.count }
            + environment.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= Self.maximumArgumentBytes else {
            throw bad("command and environment together have more than \(Self.maximumArgumentBytes) bytes")
        }
        let texts = command + environment.keys + environment.values + [workingDirectory ?? ""]
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw bad("a NUL byte in command, environment or directory")
        }
        for key in environment.keys.sorted() {
            guard !key.isEmpty, !key.contains("=") else {
                throw bad("environment variable '\(key.prefix(64))' has no valid name")
            }
            guard !Self.isReserved(variable: key) else {
                throw bad("environment variable \(key) is set by HCS itself: remove it from the request")
            }
        }
        if let directory = workingDirectory, !directory.hasPrefix("/") {
            throw bad("working directory '\(directory.prefix(120))' must be absolute")
        }
        guard vram.bytes > 0 || placement.wholeDevices else { throw bad("vram must be more than 0") }
        guard vram.bytes <= 1 << 50 else { throw bad("vram \(vram) is more than 1024Ti: not a device of this world") }
        try placement.validate()
        guard (1...64).contains(stopSignal) else { throw bad("stopSignal \(stopSignal) is no signal number (1 to 64)") }
        guard (0...3600).contains(graceSeconds) else { throw bad("graceSeconds must be 0 to 3600") }
        if let limit = maximumRunSeconds, !(1...31_536_000).contains(limit) {
            throw bad("maximumRunSeconds must be 1 to 31536000")
        }
    }
}

/// Where a workload is in its life.
package enum WorkloadPhase: String, CaseIterable, Codable, Hashable, Sendable {
    case queued  // waiting for a device
    case assigned  // placed; the agent has not started it yet
    case running
    case stopping  // asked to end, by the user or to be moved
    case succeeded, failed, deleted  // ended

    package var hasEnded: Bool { self == .succeeded || self == .failed || self == .deleted }
}

/// How a process ended.
package struct ExitStatus: Hashable, Sendable, Codable, CustomStringConvertible {
    package var code: Int32?
    package var signal: Int32?
    /// Why it never ran (no such program, no permission).
    package var error: String?

    package init(code: Int32? = nil, signal: Int32? = nil, error: String? = nil) {
        self.code = code
        self.signal = signal
        self.error = error
    }

    package var isSuccess: Bool { code == 0 && signal == nil && error == nil }

    package var description: String {
        if let error { return "did not start: \(error)" }
        if let signal { return "killed by signal \(signal)" }
        return code.map { "exit \($0)" } ?? "end unknown"
    }
}

/// A device given to a workload with its quota there.
package struct DeviceGrant: Hashable, Sendable, Codable {
    package var device: DeviceID
    package var vendor: Vendor
    package var quota: ByteCount
    /// Thousandths of the device's compute; nil = none was asked for. Counted by the scheduler, enforced by nobody yet.
    package var computeMilli: Int?
    /// The device is this workload's alone.
    package var whole: Bool?

    package init(
        device: DeviceID, vendor: Vendor, quota: ByteCount, computeMilli: Int? = nil, whole: Bool? = nil
    ) {
        self.device = device
        self.vendor = vendor
        self.quota = quota
        self.computeMilli = computeMilli
        self.whole = whole
    }
}

/// Memory of a workload on one device, read from its segment.
package struct DeviceUsage: Hashable, Sendable, Codable {
    package var device: DeviceID
    package var used: ByteCount
    package var peak: ByteCount
    package var quota: ByteCount
    /// Requests refused by the quota.
    package var denied: UInt64
    /// Context and module memory of its processes, not charged to the quota; nil where nobody measured it.
    package var overhead: ByteCount?

    package init(
        device: DeviceID, used: ByteCount, peak: ByteCount, quota: ByteCount, denied: UInt64, overhead: ByteCount? = nil
    ) {
        self.device = device
        self.used = used
        self.peak = peak
        self.quota = quota
        self.denied = denied
        self.overhead = overhead
    }
}

extension UInt8 {
    var isLowerAlphanumeric: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self)
    }
}
