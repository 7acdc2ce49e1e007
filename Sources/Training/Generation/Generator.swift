import Adapters
import Algorithms
import Autograd
import Kernels
import Models
import Tokenizers

/// Continues texts with a language model and its adapters.
public struct Generator: Sendable {
  private let model: LanguageModel
  private let adapters: [LowRankAdapter?]
  private let parameters: FloatStorage
  private let precision: RunPrecision
  private let pool: WorkerPool
  private let ends: Set<Int32>
  private let tokenizer: Tokenizer?

  /// Prompts that one worker continues side by side.
  private static let group = 8

  /// A generator. `ends` are the tokens that end a text; only options with stop strings need the tokenizer.
  ///
  /// Prompts are read in `precision`. Single tokens are then made in float32 with the weights that `model` holds, or in
  /// int8.
  public init(
    model: LanguageModel, sites: [Site], state: TrainableState, scale: Double, ends: [Int],
    tokenizer: Tokenizer? = nil, precision: RunPrecision = .float32, pool: WorkerPool
  ) {
    self.model = model
    self.precision = precision
    adapters = state.adapters(sites: sites, scale: scale, dropout: 0)
    parameters = state.values
    self.pool = pool
    self.ends = Set(ends.map(Int32.init))
    self.tokenizer = tokenizer
  }

  /// The longest text, prompt and continuation together.
  public var longestText: Int { model.decoder.config.maximumSequenceLength }

  /// Continues every prompt; none is empty or as long as `longestText`. A continuation depends on its own prompt, its
  /// number (the first one's is `first`) and the options, not on the others beside it.
  public func continuations(
    of prompts: [[Int32]], first: Int = 0, _ options: GenerationOptions
  ) -> [Generation] {
    if options.beams > 1 {
      let stops = stops(options)
      return pool.map(prompts.count) { index, workspace in
        BeamSearch(options: options, ends: ends, stops: stops, longestText: longestText)
          .run(prompts[index], session(workspace, sequences: 1, options))
      }
    }
    // Even groups, so that all workers have some. A text that is read again must not change those beside it.
    let isAlone = model.decoder.config.design.rereadsLongTexts
    let size = isAlone ? 1 : min(Self.group, max(1, (prompts.count + pool.threads - 1) / pool.threads))
    let groups = Array(prompts.chunks(ofCount: size))
    return pool.map(groups.count) { index, workspace in
      run(Array(groups[index]), first: first + groups[index].startIndex, options, workspace)
    }.flatMap { $0 }
  }

  /// Continues one prompt on the calling thread; `onToken` gets each token as soon as it belongs to the text, and says
  /// whether to go on. The text may have a rest behind them.
  ///
  /// With `memory`, a prompt that goes on with what was read and written last is read from there on.
  public func stream(
    _ prompt: [Int32], number: Int = 0, _ options: GenerationOptions, memory: GenerationMemory? = nil,
    onToken: (Int32) -> Bool
  ) -> Generation {
    let workspace = Workspace()
    workspace.team = Team(threads: pool.threads)
    return withoutActuallyEscaping(onToken) { onToken in
      run([prompt], first: number, options, workspace, memory, onToken: onToken)[0]
    }
  }

  private func stops(_ options: GenerationOptions) -> StopStrings? {
    guard let tokenizer else {
      precondition(options.stopStrings.isEmpty, "stop strings need a tokenizer")
      return nil
    }
    return StopStrings(options.stopStrings, tokenizer)
  }

  private func session(_ workspace: Workspace, sequences: Int, _ options: GenerationOptions) -> DecodingSession {
    DecodingSession(
      model: model, adapters: adapters, parameters: parameters, precision: precision, workspace: workspace,
      sequences: sequences, usesCache: options.usesCache)
  }

  /// Token by token, for all `prompts` at once; the first has the number `first`. `onToken` is for a single one.
  private func run(
    _ prompts: [[Int32]], first: Int, _ options: GenerationOptions, _ workspace: Workspace,
    _ memory: GenerationMemory? = nil, onToken: ((_ token: Int32) -> Bool)? = nil
  ) -> [Generation] {
    let rules = TokenRules(options: options, ends: ends), sampler = TokenSampler(options: options)
    let stops = stops(options)
    let seen = memory?.reusable(for: prompts[0])
    let session = seen?.session ?? session(workspace, sequences: prompts.count, options)
    memory?.begin(session, seen: seen?.count ?? 0)
    var results = [Generation?](repeating: nil, count: prompts.count)
    var active = Array(prompts.indices), texts = prompts, step = 0
    var fresh = seen.map { [Array(prompts[0].dropFirst($0.count))] } ?? texts
    var stream = onToken.map { TokenRelease(onToken: $0) }
    while !active.isEmpty {
      let logits = session.logits(fresh: fresh, texts: texts)
      memory?.read(fresh)
      var kept: [Int] = []
      for (place, prompt) in active.enumerated() {
        let length = prompts[prompt].count, limit = options.newTokens(after: length)
        func finish(_ end: Generation.End, _ match: StopStrings.Match? = nil) {
          let result = Generation(
            tokens: Array(texts[place].dropFirst(length)), end: end, shown: match?.shown, rest: match?.rest ?? "")
          results[prompt] = result
          stream?.release(result.tokens.prefix(result.shown))
        }
        guard step < limit, texts[place].count < longestText else {
          finish(.length)
          continue
        }
        var scores = logits[place]
        rules.apply(to: &scores, text: texts[place], prompt: length)
        let token = sampler.choose(scores, stream: first + prompt, step: step)
        if ends.contains(token) {
          finish(.endOfText)
          continue
        }
        texts[place].append(token)
        let new = texts[place].count - length
        if let match = stops?.match(texts[place], new: new) {
          finish(.stopString, match)
          continue
        }
        stream?.release(texts[place].dropFirst(length).prefix(new - (stops?.open(texts[place], new: new) ?? 0)))
        if stream?.isStopped == true {
          finish(.stopped)
        } else if step + 1 == limit || texts[place].count == longestText {
          finish(.length)
        } else {
          kept.append(place)
        }
      }
      // A sequence that is the only one stays for those who go on with it.
      if kept.count < active.count, !kept.isEmpty { session.select(kept) }
      active = kept.map { active[$0] }
      texts = kept.map { texts[$0] }
      fresh = texts.map { [$0[$0.count - 1]] }
      step += 1
    }
    return results.compactMap { $0 }
  }
}

/// Hands on the tokens of a text once it is sure that no stop string takes them back.
private struct TokenRelease {
  let onToken: (Int32) -> Bool
  private var released = 0
  private(set) var isStopped = false

  init(onToken: @escaping (Int32) -> Bool) { self.onToken = onToken }

  /// `tokens` are all so far; those that are not yet released are handed on.
  mutating func release(_ tokens: ArraySlice<Int32>) {
    for token in tokens.dropFirst(released) where !isStopped {
      released += 1
      isStopped = !onToken(token)
    }
  }
}

/// What a generator has read and written last, with its keys and values, for a text that goes on with it.
///
///     let memory = GenerationMemory()
///     for prompt in prompts { _ = generator.stream(prompt, options, memory: memory) { _ in true } }
public final class GenerationMemory {
  private var session: DecodingSession?
  private var seen: [Int32] = []

  /// Nothing yet.
  public init() {}

  /// How many tokens of `prompt` need not be read again; nil if it does not go on with those.
  func reusable(for prompt: [Int32]) -> (session: DecodingSession, count: Int)? {
    guard let session, seen.count < prompt.count, prompt.starts(with: seen) else { return nil }
    return (session, seen.count)
  }

  fileprivate func begin(_ session: DecodingSession, seen count: Int) {
    self.session = session
    seen.removeLast(seen.count - count)
  }

  fileprivate func read(_ fresh: [[Int32]]) { seen += fresh.first ?? [] }
}

/// Sequences that grow, with their cache.
final class DecodingSession {
  private let model: LanguageModel
  private let adapters: [LowRankAdapter?]
  private let parameters: FloatStorage
  private let precision: RunPrecision
  private let workspace: Workspace
  private let cache: KeyValueCache?

  init(
    model: LanguageModel, adapters: [LowRankAdapter?], parameters: FloatStorage, precision: RunPrecision,
    workspace: Workspace, sequences: Int, usesCache: Bool
  ) {
    self.model = model
    self.adapters = adapters
    self.parameters = parameters
    self.precision = precision
    self.workspace = workspace
    let config = model.decoder.config
    cache =
      usesCache
      ? KeyValueCache(
        layers: config.layers, sequences: sequences, columns: config.keyValueHeads * config.headSize,
        windows: config.design.windows)
      : nil
  }

  /// The next token's logits of every sequence, from the tokens that the last call had not seen; without a cache from
  /// the whole texts.
  func logits(fresh: [[Int32]], texts: [[Int32]]) -> [[Float]] {
    var unseen = cache == nil ? texts : fresh
    let design = model.decoder.config.design
    if let cache, design.rereadsLongTexts, let length = design.usualRotaryLength {
      for (number, text) in texts.enumerated() where text.count > length && cache.length(number) <= length {
        cache.forget(number)
        unseen[number] = text
      }
    }
    let sequences = unseen.map { (ids: $0, typeIDs: [Int32]()) }
    let goesOn = unseen.indices.allSatisfy { unseen[$0].count == 1 && cache?.length($0) ?? 0 > 0 }
    // A few tokens take the time of reading the weights, whose numbers are those of the run; float32 between them costs
    // nothing. Weights in int8 are in a layout for products of many rows, and go with numbers that are rounded alike.
    let readsWeightsOnce = goesOn && precision != .int8 && sequences.count <= Tape.fewRows
    let tape = Tape(
      workspace: workspace, parameters: parameters, precision: readsWeightsOnce ? .float32 : precision.activations)
    let context = ForwardContext(tape: tape, adapters: adapters, head: [], cache: cache)
    let tokens = PackedTokens(
      sequences, examples: Array(sequences.indices), isPadded: !readsWeightsOnce)
    let states = model.decoder.states(tokens, onlyLast: true, context)
    let values = model.logits(states, tape).values, count = model.head.outFeatures
    return sequences.indices.map { Array(values[($0 * count)..<(($0 + 1) * count)]) }
  }

  /// Goes on with these sequences alone; one named twice is copied.
  func select(_ kept: [Int]) { cache?.select(kept) }
}
