/// A value from outside that does not mean anything here: what it was and what is wrong with it.
package struct ModelError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case badSize, badVendor, badRuntime, badName, badAddress, badRequest, badCatalog
    }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package static func badSize(_ text: String, _ why: String) -> ModelError {
        ModelError(.badSize, "size '\(text.prefix(64))' is not understood: \(why)")
    }

    package var description: String { message }
}
