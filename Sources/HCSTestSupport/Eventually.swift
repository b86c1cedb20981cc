/// Polls until the condition holds; false when it still does not after the time. For states that another thread or
/// process reaches: no test sleeps a fixed time to wait for one.
package func eventually(
    within limit: Duration = .seconds(180), every interval: Duration = .milliseconds(5),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now.advanced(by: limit)
    while true {
        if try await condition() { return true }
        if clock.now >= deadline { return false }
        // A cancelled sleep only makes the poll quicker; the deadline ends it.
        try? await Task.sleep(for: interval)
    }
}
