/// A failure of this module: what was attempted, on what, and the vendor's own code where there is one.
package struct DeviceError: Error, Sendable, CustomStringConvertible {
    /// Raw values are the codes on the worker's wire.
    package enum Code: String, Sendable, CaseIterable {
        /// The vendor's library is not on this host. Expected on most hosts.
        case libraryMissing
        /// The library is there but cannot be loaded: cut off, of another architecture, or without a library that it needs.
        case libraryBroken
        /// The library is there but lacks functions without which nothing can be asked.
        case symbolsMissing
        /// The library is there but does not start: most often its driver is not loaded.
        case initFailed
        /// The driver was unloaded, reloaded or upgraded under the open library, which answers so for ever: a new process
        /// must open it anew.
        case libraryStale
        /// A call that a whole answer depends on failed.
        case callFailed
        /// The worker was asked something it does not know.
        case badRequest
        /// The worker's answer does not fit its frame.
        case replyTooLong
        /// The worker's answer is not understood, or not the one that was asked for.
        case badReply
        /// The worker did not answer in time.
        case deadlineMissed
        /// The worker ended while it was being asked.
        case workerDied
        /// The worker could not be started.
        case spawnFailed
        /// No worker runs now: one is awaited, backing off, or stuck.
        case notRunning
    }

    package let code: Code
    package let message: String
    /// The number the vendor's library answered.
    package let vendorCode: Int64?
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, vendorCode: Int64? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.vendorCode = vendorCode
        self.cause = cause
    }

    package var description: String {
        vendorCode.map { "\(message) (\($0))" } ?? message
    }
}
