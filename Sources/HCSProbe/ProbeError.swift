package import HCSSystem

/// A probe that could not be set up.
package struct ProbeError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case noBTF, noPermission, noProgram, noTracepoint, rejected, thread
    }

    package let code: Code
    /// What was attempted, why it failed, what to do.
    package let message: String
    package let cause: SystemError?

    package init(_ code: Code, _ message: String, cause: SystemError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { message }
}
