using Microsoft.ML.LoraInit.Cuda;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

/// <summary>"Records" work by keeping it, or refuses.</summary>
internal sealed class Recorder : WorkCapture
{
    public string? Why { get; set; }

    public bool IsBusy { get; set; }

    public int Recordings { get; private set; }

    public int Replays { get; private set; }

    public int Alive { get; private set; }

    public override CapturedWork? TryCapture(Action work, out string? why)
    {
        why = Why;
        if (IsBusy)
            return null;
        Recordings++;
        if (Why is not null)
            return null;
        Alive++;
        return new Work(this, work);
    }

    private sealed class Work(Recorder owner, Action work) : CapturedWork
    {
        public override void Replay()
        {
            owner.Replays++;
            work();
        }

        public override void Dispose() => owner.Alive--;
    }
}
