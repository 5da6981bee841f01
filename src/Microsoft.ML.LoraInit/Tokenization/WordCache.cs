using System.Collections.Concurrent;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// Ids of pieces met before: a language has few words and uses them often. Bounded: it starts anew when it is full, so that it
/// follows a stream whose words change. Safe to use from several threads at once.
/// </summary>
/// <param name="capacity">Pieces kept at most, about.</param>
internal sealed class WordCache(int capacity = WordCache.DefaultCapacity)
{
    /// <summary>Some 10 MB where all pieces are of usual length.</summary>
    public const int DefaultCapacity = 1 << 16;

    /// <summary>Longer pieces are rarely words.</summary>
    public const int LongestPiece = 32;

    private volatile Generation _current = new();

    /// <summary>Pieces kept.</summary>
    public int Count => _current.Count;

    /// <summary>The ids of a piece that was added before, or null.</summary>
    public int[]? Find(ReadOnlySpan<char> piece) =>
        piece.Length <= LongestPiece && _current.Lookup.TryGetValue(piece, out var ids) ? ids : null;

    /// <summary>Keeps a piece's ids, which nobody may change afterwards.</summary>
    public void Add(ReadOnlySpan<char> piece, int[] ids)
    {
        if (piece.Length > LongestPiece)
            return;
        var current = _current;
        if (current.Lookup.TryAdd(piece, ids) && Interlocked.Increment(ref current.Count) >= capacity)
            _current = new();
    }

    private sealed class Generation
    {
        // The dictionary's own count takes all of its locks.
        public int Count;

        public Generation() => Lookup = new ConcurrentDictionary<string, int[]>(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

        public ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> Lookup { get; }
    }
}
