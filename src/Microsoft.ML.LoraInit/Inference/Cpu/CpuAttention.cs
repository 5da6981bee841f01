using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>softmax(q kᵀ / √d) v, each text among its own tokens: texts lie one after another without padding.</summary>
internal static unsafe class CpuAttention
{
    // Queries at a time: their scores against 512 keys fill a quarter of a usual second-level cache.
    private const int Block = 64;

    /// <param name="config">Heads and their size.</param>
    /// <param name="texts">Where the texts lie.</param>
    /// <param name="query">Queries, a head beside the other: of every token, or of every text's first alone.</param>
    /// <param name="firstOnly">Whether only first tokens ask.</param>
    /// <param name="key">[tokens, …] keys, and after them the values, hidden numbers each.</param>
    /// <param name="y">[queries, hidden].</param>
    /// <param name="team">Who may help.</param>
    public static void Apply(RobertaConfig config, UnpaddedTexts texts, Columns query, bool firstOnly, Columns key, float* y, CpuTeam team)
    {
        int heads = config.Heads, hidden = config.HiddenSize, size = config.HeadSize;
        long cost = (long)texts.Tokens / texts.Count * (firstOnly ? 1 : texts.Tokens / texts.Count) * size * 2;
        team.For(texts.Count * heads, cost, (first, end) =>
        {
            for (int piece = first; piece < end; piece++)
            {
                var (text, head) = Math.DivRem(piece, heads);
                var (start, length) = (texts.Start(text), texts.Length(text));
                var (firstQuery, queries) = firstOnly ? (text, 1) : (start, length);
                Head(
                    query.At(firstQuery, head * size), queries,
                    key.At(start, head * size), key.At(start, hidden + (head * size)), length,
                    size, y + ((long)firstQuery * hidden) + (head * size), hidden);
            }
        });
    }

    private static void Head(Columns query, int queries, Columns key, Columns value, int length, int size, float* y, int yStride)
    {
        int padded = PanelGemm.Panels(length) * PanelGemm.Width;
        int valuePanels = PanelGemm.Panels(size);
        var memory = CpuScratch.Floats(((long)padded * size) + ((long)valuePanels * PanelGemm.Width * length) + ((long)Math.Min(Block, queries) * padded), out float* keys);
        float* values = keys + ((long)padded * size);
        float* scores = values + ((long)valuePanels * PanelGemm.Width * length);
        PackKeys(key, length, size, keys, padded);
        PackValues(value, length, size, values);
        float scale = 1 / MathF.Sqrt(size);
        for (int start = 0; start < queries; start += Block)
        {
            int count = Math.Min(Block, queries - start);
            PanelGemm.Multiply(query.At(start, 0).Pointer, query.Stride, count, size, keys, null, scores, padded, padded);
            for (int i = 0; i < count; i++)
                RowMath.Softmax(scores + ((long)i * padded), length, padded, scale);
            PanelGemm.Multiply(scores, padded, count, length, values, null, y + ((long)start * yStride), yStride, size);
        }
        CpuScratch.Return(memory);
    }

    /// <summary>Panels of 32 keys, [size, 32] each; keys beyond the text are 0.</summary>
    private static void PackKeys(Columns key, int length, int size, float* packed, int padded)
    {
        for (int start = 0; start < padded; start += PanelGemm.Width)
        {
            float* source = key.At(start, 0).Pointer;
            int count = Math.Min(PanelGemm.Width, length - start);
            for (int d = 0; d < size; d++, source++, packed += PanelGemm.Width)
            {
                float* from = source;
                for (int lane = 0; lane < count; lane++, from += key.Stride)
                    packed[lane] = *from;
                new Span<float>(packed + count, PanelGemm.Width - count).Clear();
            }
        }
    }

    /// <summary>Panels of 32 of a value's numbers, [length, 32] each.</summary>
    private static void PackValues(Columns value, int length, int size, float* packed)
    {
        for (int start = 0; start < size; start += PanelGemm.Width)
            for (int i = 0; i < length; i++, packed += PanelGemm.Width)
            {
                var target = new Span<float>(packed, PanelGemm.Width);
                int count = Math.Min(PanelGemm.Width, size - start);
                new ReadOnlySpan<float>(value.At(i, start).Pointer, count).CopyTo(target);
                target[count..].Clear();
            }
    }

    /// <summary>Some columns of a matrix.</summary>
    /// <param name="pointer">The first number.</param>
    /// <param name="stride">Numbers from a row to the next.</param>
    internal readonly struct Columns(float* pointer, int stride)
    {
        public float* Pointer => pointer;

        public int Stride => stride;

        public Columns At(int row, int column) => new(pointer + ((long)row * stride) + column, stride);
    }
}
