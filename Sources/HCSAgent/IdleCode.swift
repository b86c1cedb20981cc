import HCSSystem
package import Logging
import ServiceLifecycle

/// Lets go of the code that only the start, or a rare request, needed: two thirds of what the agent has mapped after it
/// started. It costs a millisecond of page faults each time.
package struct IdleCode: Service {
    /// After the first samples and reports.
    static let delay: Duration = .seconds(10)
    static let interval: Duration = .seconds(600)

    private let logger: Logger

    package init(logger: Logger) { self.logger = logger }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            try? await Task.sleep(for: Self.delay)
            while !Task.isCancelled {
                let bytes = ThisProcess.unmapIdleCode()
                logger.debug("took \(bytes >> 10) KiB of code out of memory until it runs again")
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}
