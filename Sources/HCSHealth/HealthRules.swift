/// Every rule there is. A new rule is a file in `Rules/` and a line here.
package enum HealthRules {
    package static let all: [any HealthRule] = [
        HardFault(),
        SoftFault(),
        RecoveryAction(),
        VendorHealthRule(),
        Unresponsive(),
        SlowAnswers(),
        StuckProcesses(),
        AbandonedMemory(),
        CorrectableErrors(),
        SpareRows(),
        RemapPending(),
        Temperature(),
        ThermalResidual(),
        ThrottleShare(),
        ClockUnderLoad(),
        PCIeReplays(),
        PCIeLink(),
        PCIeCorrectedErrors(),
        LinkDown(),
        Throughput(),
        Coverage(),
    ]

    /// Those that make the node's own score.
    package static let ofNode: [any HealthRule] = [HardFault(), SoftFault(), FabricManagerDown(), FabricPortDown()]
}
