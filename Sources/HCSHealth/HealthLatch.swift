/// A hard fault that stays after its cause is gone, over restarts of the agent too.
package struct HealthLatch: Hashable, Sendable, Codable {
    /// What has to be seen before it can go.
    package enum Repair: String, Codable, Hashable, Sendable {
        /// The processes that held the device are gone.
        case process
        case reset, reboot
        /// An operator's word (`hcs health set-healthy`).
        case person = "operator"
    }

    /// `xid`, `vendor-health`.
    package var factor: String
    package var code: UInt32
    package var detail: String
    package var source: String
    package var sinceMilliseconds: Int64
    package var lastMilliseconds: Int64
    package var count: UInt64
    /// `vendor/family/code`; nil in a file of an older agent, as all that follows.
    package var fault: String?
    package var advice: FaultAdvice?
    package var authority: String?
    package var repair: Repair?
    /// The boot in which it was seen last.
    package var bootID: String?
    /// Who held the device, for `process`.
    package var holders: [Int32]?
    /// When the evidence of a repair was seen.
    package var repairedMilliseconds: Int64?

    package init(factor: String, code: UInt32, detail: String, source: String, atMilliseconds: Int64) {
        self.factor = factor
        self.code = code
        self.detail = detail
        self.source = source
        self.sinceMilliseconds = atMilliseconds
        self.lastMilliseconds = atMilliseconds
        self.count = 1
    }
}

extension FaultAdvice {
    /// What shows that the advice was followed.
    var repair: HealthLatch.Repair {
        switch self {
        case .restartApplication: .process
        case .none, .reset: .reset
        case .reboot: .reboot
        case .updateSoftware, .drain, .service: .person
        }
    }
}
