using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>Counts what happens to its windows; may fail at one of them.</summary>
internal sealed class RecordingScorer : ITextScorer
{
    /// <summary>The window, counted from 1, of which the scores cannot be taken.</summary>
    public int FailsAt { get; init; }

    public int Begun { get; private set; }

    public int Advanced { get; private set; }

    public int Taken { get; private set; }

    public int Disposed { get; private set; }

    public float[][] Score(IReadOnlyList<TextPair> texts) => [.. texts.Select(t => new float[] { t.First.Length })];

    public ScoringRun<float[]> Begin(IReadOnlyList<TextPair> texts)
    {
        Begun++;
        return new Run(this, texts, Begun);
    }

    public void Dispose()
    {
    }

    private sealed class Run(RecordingScorer scorer, IReadOnlyList<TextPair> texts, int number) : ScoringRun<float[]>
    {
        private bool _isAdvanced;

        public override void Advance()
        {
            scorer.Advanced += _isAdvanced ? 0 : 1;
            _isAdvanced = true;
        }

        public override float[][] Take()
        {
            if (number == scorer.FailsAt)
                throw new FormatException($"window {number}");
            scorer.Taken++;
            return scorer.Score(texts);
        }

        protected override void Dispose(bool disposing) => scorer.Disposed++;
    }
}
