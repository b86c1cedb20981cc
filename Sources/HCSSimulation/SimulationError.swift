/// A scenario or a simulated host that cannot be used: what was attempted, on what, and what to do.
package struct SimulationError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The scenario is not understood or breaks a limit.
        case badScenario
        /// The state file is not one, or not of this version.
        case badState
        /// No such device, or no such file.
        case notFound
        case invalidValue
        case io
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
