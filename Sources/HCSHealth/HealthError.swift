/// A health policy cannot be used: which number and why.
package struct HealthError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable { case badPolicy }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
