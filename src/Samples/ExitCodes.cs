namespace Microsoft.ML.LoraInit.Samples;

/// <summary>What the process tells its caller.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>The run failed for a reason that is not in the arguments or the input.</summary>
    public const int Failed = 1;

    /// <summary>Wrong arguments, or input that cannot be used.</summary>
    public const int BadInput = 2;

    /// <summary>Ctrl+C or SIGTERM.</summary>
    public const int Cancelled = 130;
}
