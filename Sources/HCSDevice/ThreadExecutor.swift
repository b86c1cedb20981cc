import Glibc
import HCSSystem

/// Runs an actor's work on a thread of its own. A vendor worker is asked with blocking calls that may take seconds, and
/// such never run on the shared pool: four hung vendors would stop a two-core agent.
final class ThreadExecutor: SerialExecutor {
    private let queue = JobQueue()

    init(name: String) {
        queue.start(name: name)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        queue.push(UnownedJob(job), self)
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    deinit { queue.close() }
}

/// Jobs in order, and the thread that runs them. The thread owns the queue, not the executor, so that an executor nobody
/// uses any more ends its thread.
///
/// `@unchecked Sendable`: `entries` and `isClosed` are touched only with `mutex` held; mutex and condition are heap
/// cells that live as long as the queue.
private final class JobQueue: @unchecked Sendable {
    private typealias Entry = (job: UnownedJob, executor: ThreadExecutor)
    private var entries: [Entry] = []
    private var isClosed = false
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func start(name: String) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Start(queue: self, name: name))
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                ThisProcess.nameThread(start.name)
                start.queue.run()
                return nil
            }, argument.toOpaque())
        // Out of threads at start is out of everything: there is no way to run without one.
        precondition(result == 0, "no thread for vendor worker \(name): error \(result)")
        pthread_detach(thread)
    }

    private final class Start {
        let queue: JobQueue
        let name: String
        init(queue: JobQueue, name: String) {
            self.queue = queue
            self.name = name
        }
    }

    func push(_ job: UnownedJob, _ executor: ThreadExecutor) {
        pthread_mutex_lock(mutex)
        entries.append((job, executor))
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    private func run() {
        while let entry = next() {
            entry.job.runSynchronously(on: entry.executor.asUnownedSerialExecutor())
        }
    }

    private func next() -> Entry? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while entries.isEmpty {
            if isClosed { return nil }
            pthread_cond_wait(condition, mutex)
        }
        return entries.removeFirst()
    }
}
