/// A model of card that can be compared.
package struct ExchangeCard: Hashable, Sendable {
    package var vendor: Vendor
    /// What it is called everywhere; no other card has it.
    package var name: String
    package var aliases: [String]
    package var memory: ByteCount?
    package var fingerprint: Fingerprint

    package init(vendor: Vendor, name: String, aliases: [String], memory: ByteCount?, fingerprint: Fingerprint) {
        self.vendor = vendor
        self.name = name
        self.aliases = aliases
        self.memory = memory
        self.fingerprint = fingerprint
    }
}
