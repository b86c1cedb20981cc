import Dispatch
import Foundation

/// Calls a handler once, on a thread of its own, when a person or the system asks the demo to end.
final class SignalWatch {
    private let sources: [any DispatchSourceSignal]

    init(_ handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "hcs-demo.signals")
        sources = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].map { number in
            // A dispatch source only sees a signal whose default action is switched off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }
}
