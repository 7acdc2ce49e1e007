import Adapters
import Algorithms
import Autograd
import Kernels
import Models

/// Continues texts with a language model and its adapters.
public struct Generator: Sendable {
  private let model: LanguageModel
  private let adapters: [LowRankAdapter?]
  private let parameters: FloatStorage
  private let pool: WorkerPool
  private let ends: Set<Int32>

  /// Prompts that one worker continues side by side.
  private static let group = 8

  /// A generator. `ends` are the tokens that end a text.
  public init(
    model: LanguageModel, sites: [Site], state: TrainableState, scale: Double, ends: [Int], pool: WorkerPool
  ) {
    self.model = model
    adapters = state.adapters(sites: sites, scale: scale, dropout: 0)
    parameters = state.values
    self.pool = pool
    self.ends = Set(ends.map(Int32.init))
  }

  /// The longest text, prompt and continuation together.
  public var longestText: Int { model.decoder.config.maximumSequenceLength }

  /// Continues every prompt; none is empty or as long as `longestText`. A continuation depends on its own prompt, its
  /// number (the first one's is `first`) and the options, not on the others beside it.
  public func continuations(
    of prompts: [[Int32]], first: Int = 0, _ options: GenerationOptions
  ) -> [Generation] {
    if options.beams > 1 {
      return pool.map(prompts.count) { index, workspace in
        BeamSearch(options: options, ends: ends, longestText: longestText)
          .run(prompts[index], session(workspace, sequences: 1, options))
      }
    }
    // Even groups, so that all workers have some.
    let size = min(Self.group, max(1, (prompts.count + pool.threads - 1) / pool.threads))
    let groups = Array(prompts.chunks(ofCount: size))
    return pool.map(groups.count) { index, workspace in
      run(Array(groups[index]), first: first + groups[index].startIndex, options, workspace) { _ in true }
    }.flatMap { $0 }
  }

  /// Continues one prompt on the calling thread; `onToken` gets each token as it is chosen and says whether to go on.
  public func stream(
    _ prompt: [Int32], number: Int = 0, _ options: GenerationOptions, onToken: (Int32) -> Bool
  ) -> Generation {
    let workspace = Workspace()
    workspace.team = Team(threads: pool.threads)
    return run([prompt], first: number, options, workspace, onToken: onToken)[0]
  }

  private func session(_ workspace: Workspace, sequences: Int, _ options: GenerationOptions) -> DecodingSession {
    DecodingSession(
      model: model, adapters: adapters, parameters: parameters, workspace: workspace, sequences: sequences,
      usesCache: options.usesCache)
  }

  /// Token by token, for all `prompts` at once; the first has the number `first`.
  private func run(
    _ prompts: [[Int32]], first: Int, _ options: GenerationOptions, _ workspace: Workspace,
    onToken: (_ token: Int32) -> Bool
  ) -> [Generation] {
    let rules = TokenRules(options: options, ends: ends), sampler = TokenSampler(options: options)
    let session = session(workspace, sequences: prompts.count, options)
    var results = [Generation?](repeating: nil, count: prompts.count)
    var active = Array(prompts.indices), texts = prompts, fresh = texts, step = 0
    while !active.isEmpty {
      let logits = session.logits(fresh: fresh, texts: texts)
      var kept: [Int] = []
      for (place, prompt) in active.enumerated() {
        let length = prompts[prompt].count, limit = options.newTokens(after: length)
        func finish(_ end: Generation.End) {
          results[prompt] = Generation(
            tokens: Array(texts[place].dropFirst(length)), end: end)
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
        if !onToken(token) {
          finish(.stopped)
        } else if step + 1 == limit || texts[place].count == longestText {
          finish(.length)
        } else {
          kept.append(place)
        }
      }
      if kept.count < active.count { session.select(kept) }
      active = kept.map { active[$0] }
      texts = kept.map { texts[$0] }
      fresh = texts.map { [$0[$0.count - 1]] }
      step += 1
    }
    return results.compactMap { $0 }
  }
}

/// Sequences that grow, with their cache.
final class DecodingSession {
  private let model: LanguageModel
  private let adapters: [LowRankAdapter?]
  private let parameters: FloatStorage
  private let workspace: Workspace
  private let cache: KeyValueCache?

  init(
    model: LanguageModel, adapters: [LowRankAdapter?], parameters: FloatStorage, workspace: Workspace, sequences: Int,
    usesCache: Bool
  ) {
    self.model = model
    self.adapters = adapters
    self.parameters = parameters
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
    let tape = Tape(workspace: workspace, parameters: parameters)
    let context = ForwardContext(tape: tape, adapters: adapters, head: [], cache: cache)
    let tokens = PackedTokens(sequences, examples: Array(sequences.indices))
    let states = model.decoder.states(tokens, onlyLast: true, context)
    let values = model.logits(states, tape).values, count = model.head.rows
    return sequences.indices.map { Array(values[($0 * count)..<(($0 + 1) * count)]) }
  }

  /// Goes on with these sequences alone; one named twice is copied.
  func select(_ kept: [Int]) { cache?.select(kept) }
}
