/// Something the agent attempted failed: what, on what, and what to do.
package struct AgentError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// Wrong flags or values.
        case usage
        /// A configuration or state file that cannot be used.
        case configuration
        case permission
        /// Something needed is not there now: another agent holds the lock, no such thing.
        case unavailable
        /// An assignment that this host will not run.
        case refused
        case io
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// As a process's exit code, after sysexits(3).
    package var exitCode: Int32 {
        switch code {
        case .usage: 64
        case .unavailable, .refused: 69
        case .io: 70
        case .permission: 77
        case .configuration: 78
        }
    }
}
