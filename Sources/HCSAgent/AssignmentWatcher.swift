package import HCSAPI
package import HCSModel
package import Logging
import ServiceLifecycle

/// Long-polls what this node should run and hands each answer on. Resumes by revision; while the scheduler is away the
/// workloads go on as they are.
package struct AssignmentWatcher: Service {
    private static let spacing: Duration = .milliseconds(50)

    private let fetch: @Sendable (_ after: Revision, _ waitSeconds: Int) async throws -> NodeAssignments
    private let apply: @Sendable (NodeAssignments) async -> Void
    private let node: String
    private let backOff: BackOff
    private let logger: Logger

    package init(
        node: String, backOff: BackOff = BackOff(), logger: Logger,
        fetch: @escaping @Sendable (_ after: Revision, _ waitSeconds: Int) async throws -> NodeAssignments,
        apply: @escaping @Sendable (NodeAssignments) async -> Void
    ) {
        self.node = node
        self.backOff = backOff
        self.logger = logger
        self.fetch = fetch
        self.apply = apply
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await watch() }
    }

    private func watch() async {
        var after = Revision.zero
        var wait = 0
        var backOff = backOff
        var generator = SystemRandomNumberGenerator()
        while !Task.isCancelled {
            do {
                let asked = ContinuousClock.now
                let answer = try await fetch(after, wait)
                guard answer.node == node else {
                    throw AgentError(
                        .refused, "the scheduler answered for node '\(answer.node.prefix(80))', this is '\(node)'")
                }
                backOff.succeeded()
                await apply(answer)
                // A lower revision than before is a scheduler whose store was set back: its word counts.
                after = answer.revision
                wait = APILimits.longPollSeconds - 5
                // A server that does not wait must not make us ask in a tight loop.
                if ContinuousClock.now - asked < Self.spacing { try? await Task.sleep(for: Self.spacing) }
            } catch {
                if Task.isCancelled { return }
                if backOff.failures == 0 { logger.warning("no assignments, trying again: \(error)") }
                wait = 0
                try? await Task.sleep(for: backOff.failed(using: &generator))
            }
        }
    }
}
