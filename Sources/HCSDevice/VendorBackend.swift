/// One vendor's management library, as the worker asks it. Used by one thread only; every call may hang or crash, which
/// is why it runs in a worker process. A function that the library lacks, or that answers "not supported", costs its own
/// value and nothing else.
package protocol VendorBackend: AnyObject, SendableMetatype {
    init()

    /// Directories of the vendor's own that the library is looked for in, after the loader's.
    static var directories: [String] { get }

    /// Finds, opens and starts the library.
    /// - Throws: `libraryMissing`, `symbolsMissing` (names them) or `initFailed`.
    func open(_ search: LibrarySearch) throws(DeviceError)

    /// The devices the library lists now. `callFailed` where it cannot list any.
    func inventory() throws(DeviceError) -> VendorInventory

    /// One raw sample for each device of the last inventory, `lost` for one that does not answer any more.
    func sample() throws(DeviceError) -> [RawSample]

    /// What was opened and which functions it lacks.
    var symbols: SymbolReport { get }

    /// Ends the library's session, if one was started. The process exits after it.
    func close()
}
