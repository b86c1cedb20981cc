/// A health policy or a fault catalogue cannot be used, or an operator's word cannot be taken: what and why.
package struct HealthError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable { case badPolicy, badCatalogue, badState, unknownDevice, badReason }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
