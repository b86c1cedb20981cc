internal import HCSModel

/// Tells which threads have not moved for too long. Looks come in, with their time; nothing is read here.
struct StuckCallWatch {
    /// A thread of a process that holds a device, at one moment.
    struct Look: Hashable {
        enum State { case sleeping, uninterruptible, other }

        var pid: Int32
        var thread: Int32
        var state: State
        /// nil: in none, or it may not be read.
        var call: Int32?
        var firstArgument: UInt64
        var secondArgument: UInt64
        /// How often it left the processor: unchanged, it has not run.
        var switches: UInt64
        /// Printable.
        var name: String
    }

    /// What is to be told.
    struct Finding: Hashable {
        var look: Look
        var seconds: Double
        var severity: HostEvent.Severity
        /// The node that the call is on, where it is one on a device.
        var path: String?
    }

    private struct Since {
        var look: Look
        var nanoseconds: UInt64
        var tellAt: Double
    }

    private let after: Double
    private let interruptible: Bool
    private var since: [Int32: Since] = [:]

    /// Threads that are watched at most.
    static let limit = 1 << 16
    /// What can be interrupted, or has been short, is worth less.
    private static let longFactor = 6.0

    /// - Parameter after: seconds after which one that cannot be interrupted is told of; a call on a device that can be is
    ///   told of after six times as long: some drivers wait for work in one.
    /// - Parameter interruptible: whether those that can be interrupted are told of at all.
    init(after: Double, interruptible: Bool) {
        self.after = after
        self.interruptible = interruptible
    }

    /// How bad it is that a thread is in one call for so long.
    static func severity(_ state: Look.State, _ seconds: Double, after: Double) -> HostEvent.Severity {
        guard state == .uninterruptible else { return .info }
        return seconds >= after * longFactor ? .error : .warning
    }

    mutating func judge(_ looks: [Look], at now: UInt64, holders: [Int32: DeviceHolder]) -> [Finding] {
        var next: [Int32: Since] = [:]
        var findings: [Finding] = []
        for look in looks.prefix(Self.limit) {
            let path =
                look.call == SystemCall.ioctl
                ? Int32(exactly: look.firstArgument).flatMap { holders[look.pid]?.files[$0] } : nil
            guard look.state == .uninterruptible || interruptible && look.state == .sleeping && path != nil else {
                continue
            }
            let first = look.state == .uninterruptible ? after : after * Self.longFactor
            var current = Since(look: look, nanoseconds: now, tellAt: first)
            if let before = since[look.thread], before.look == look, before.nanoseconds <= now { current = before }
            let seconds = Double(now - min(current.nanoseconds, now)) / 1e9
            if seconds >= current.tellAt {
                current.tellAt = max(seconds * 2, first)
                findings.append(
                    Finding(
                        look: look, seconds: seconds,
                        severity: Self.severity(look.state, seconds, after: after), path: path))
            }
            next[look.thread] = current
        }
        since = next
        return findings
    }
}

/// Numbers of system calls (asm/unistd.h).
enum SystemCall {
    #if arch(x86_64)
    static let ioctl: Int32 = 16
    #else
    static let ioctl: Int32 = 29
    #endif
}
