import Foundation
import HCSAPI
import HCSModel
import ServiceLifecycle

/// Takes one receiver's alerts from its queue and sends them one after the other, each with a few tries. A receiver that
/// hangs holds up nothing but its own queue.
package struct AlertDelivery: Service {
    package let queue: AlertQueue
    private let sender: any AlertSender
    private let pauses: [Duration]
    private let gaveUp: @Sendable (_ message: String) async -> Void

    /// - Parameters:
    ///   - pauses: between the tries of one alert; one try more than there are.
    ///   - gaveUp: told each alert that was not delivered.
    package init(
        queue: AlertQueue, sender: any AlertSender, pauses: [Duration],
        gaveUp: @escaping @Sendable (_ message: String) async -> Void
    ) {
        self.queue = queue
        self.sender = sender
        self.pauses = pauses
        self.gaveUp = gaveUp
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled, let alert = await queue.next() { await deliver(alert) }
        }
        await sender.close()
    }

    private func deliver(_ alert: Alert) async {
        guard let body = try? HCSJSON.encode(alert) else { return }
        var tries = 0
        var reason = ""
        for pause in [nil] + pauses.map(Optional.some) {
            if let pause { try? await Task.sleep(for: pause) }
            if Task.isCancelled { return }
            tries += 1
            do {
                try await sender.send(body)
                queue.note(delivered: true)
                return
            } catch {
                reason = "\(error)"
                if let error = error as? AlertError, !error.isTransient { break }
            }
        }
        if Task.isCancelled { return }
        queue.note(delivered: false)
        await gaveUp(
            "\(sender.name): event \(alert.event.sequence) (\(alert.event.kind.rawValue)) not delivered in \(tries) tries: \(reason)"
        )
    }
}
