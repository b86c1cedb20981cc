import Dispatch
import HCSAPI

/// Long looks at a copy of the scheduler's state: one at a time, on a thread that nothing else waits for, so that the actor
/// that owns the state goes on meanwhile. A few wait in turn; more are refused.
package actor PlanDesk {
    /// Runs a piece of work somewhere that may take its time.
    package typealias Thread = @Sendable (@escaping @Sendable () -> Void) -> Void

    private let name: String
    private let waitingLimit: Int
    private let thread: Thread
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Parameters:
    ///   - name: of what is made here, in the plural.
    ///   - waitingLimit: how many may wait beside the one that is made.
    package init(_ name: String, waitingLimit: Int, thread: Thread? = nil) {
        self.name = name
        self.waitingLimit = waitingLimit
        let queue = DispatchQueue(label: "hcs.\(name)")
        self.thread = thread ?? { work in queue.async(execute: work) }
    }

    /// Looks at the state as it is when the turn comes.
    func look<State: Sendable, Value: Sendable>(
        at present: @Sendable () async -> State,
        _ make: @escaping @Sendable (inout State) throws(APIProblem) -> Value
    ) async throws(APIProblem) -> Value {
        try await takeTurn()
        defer { endTurn() }
        let state = await present()
        let result: Result<Value, APIProblem> = await withCheckedContinuation { made in
            thread {
                var copy = state
                made.resume(returning: Result { () throws(APIProblem) in try make(&copy) })
            }
        }
        return try result.get()
    }

    private func takeTurn() async throws(APIProblem) {
        guard isBusy else {
            isBusy = true
            return
        }
        guard waiting.count < waitingLimit else {
            throw .tooMany("\(waiting.count + 1) \(name) are being made or wait for their turn: ask again later")
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func endTurn() {
        if waiting.isEmpty { isBusy = false } else { waiting.removeFirst().resume() }
    }
}
