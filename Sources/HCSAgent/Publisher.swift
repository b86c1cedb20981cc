package import HCSAPI
package import Logging
import ServiceLifecycle

/// Sends the node's report: at once when something changed, every two seconds anyway. Never more than one on its way, never
/// a queue: after an outage the scheduler gets the present state, not the past.
package struct Publisher: Service {
    /// Longest silence between two reports.
    package static let heartbeat: Duration = .seconds(2)
    /// Shortest time between two reports: a storm of kernel messages must not become one of reports.
    package static let spacing: Duration = .milliseconds(20)

    private let state: NodeState
    private let send: @Sendable (NodeReport) async throws -> Void
    private let delivered: @Sendable (NodeReport) async -> Void
    private let heartbeat: Duration
    private let backOff: BackOff
    private let logger: Logger

    /// - Parameters:
    ///   - send: one PUT with its own time limit.
    ///   - delivered: told each report that the scheduler has taken.
    package init(
        state: NodeState, heartbeat: Duration = Publisher.heartbeat, backOff: BackOff = BackOff(), logger: Logger,
        send: @escaping @Sendable (NodeReport) async throws -> Void,
        delivered: @escaping @Sendable (NodeReport) async -> Void
    ) {
        self.state = state
        self.heartbeat = heartbeat
        self.backOff = backOff
        self.logger = logger
        self.send = send
        self.delivered = delivered
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !Task.isCancelled {
                        state.changed.raise()
                        try? await Task.sleep(for: heartbeat)
                    }
                }
                group.addTask { await publish() }
            }
        }
    }

    private func publish() async {
        var backOff = backOff
        var generator = SystemRandomNumberGenerator()
        for await _ in state.changed.changes {
            if Task.isCancelled { return }
            let report = await state.report()
            let pause: Duration
            do {
                try await send(report)
                if backOff.failures > 0 { logger.info("the scheduler answers again") }
                backOff.succeeded()
                await state.set(schedulerReachable: true)
                await delivered(report)
                pause = Self.spacing
            } catch {
                if Task.isCancelled { return }
                if backOff.failures == 0 { logger.warning("report not delivered, trying again: \(error)") }
                await state.set(schedulerReachable: false)
                pause = backOff.failed(using: &generator)
                state.changed.raise()
            }
            try? await Task.sleep(for: pause)
        }
    }
}
