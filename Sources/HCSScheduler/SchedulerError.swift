/// Why a scheduler cannot start.
package struct SchedulerError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable { case configuration, state, inUse }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
