using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>Scores a text by its length; counts what it was asked.</summary>
internal sealed class FakeScorer : ITextScorer
{
    public int Calls { get; private set; }

    public int Rows { get; private set; }

    public int LargestCall { get; private set; }

    public float[][] Score(IReadOnlyList<TextPair> texts)
    {
        Calls++;
        Rows += texts.Count;
        LargestCall = Math.Max(LargestCall, texts.Count);
        return [.. texts.Select(t => new float[] { t.First.Length + (1000 * (t.Second?.Length ?? 0)) })];
    }

    public void Dispose()
    {
    }
}
