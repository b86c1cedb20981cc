/// Every rule there is. A new rule is a file in `Rules/` and a line here.
package enum HealthRules {
    package static let all: [any HealthRule] = [
        HardFault(),
        SoftFault(),
        Temperature(),
        VendorHealthRule(),
        Unresponsive(),
        Throughput(),
        Coverage(),
    ]
}
