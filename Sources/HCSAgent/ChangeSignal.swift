/// Says "something changed" to one listener. Changes that come while it is busy are one.
package struct ChangeSignal: Sendable {
    package let changes: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    package init() { (changes, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    package func raise() { continuation.yield() }
}
