package import Foundation

/// One way that alerts go. Has its own time limit.
package protocol AlertSender: Sendable {
    /// For logs and events; holds no secret.
    var name: String { get }
    /// Throws `AlertError`.
    func send(_ body: Data) async throws
    func close() async
}

package struct AlertError: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    /// Another try may do.
    package var isTransient: Bool

    package init(_ message: String, isTransient: Bool = true) {
        self.message = message
        self.isTransient = isTransient
    }

    package var description: String { message }
}
