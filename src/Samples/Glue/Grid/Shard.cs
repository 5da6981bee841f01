using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>One of several equal parts of a grid: the cells whose index modulo <see cref="Count"/> is <see cref="Index"/>.</summary>
internal readonly record struct Shard(int Index, int Count)
{
    public static readonly Shard Whole = new(0, 1);

    public IEnumerable<T> Of<T>(IReadOnlyList<T> cells)
    {
        for (var i = Index; i < cells.Count; i += Count)
            yield return cells[i];
    }

    /// <summary>
    /// Reads <c>i/n</c> (i from 0), or with <c>auto</c> what a Slurm array job or a Kubernetes Indexed Job says of
    /// itself; outside of both, <c>auto</c> is the whole grid.
    /// </summary>
    /// <exception cref="ArgumentException">The text, or a variable, makes no shard.</exception>
    public static Shard Resolve(string text, Func<string, string?> variable)
    {
        if (!text.Equals("auto", StringComparison.OrdinalIgnoreCase))
            return Parse(text);
        if (variable("SLURM_ARRAY_TASK_ID") is { Length: > 0 } task)
            return FromSlurm(task, variable);
        if (variable("JOB_COMPLETION_INDEX") is { Length: > 0 } completion)
            return FromKubernetes(completion, variable);
        return Whole;
    }

    public override string ToString() => $"{Index}/{Count}";

    private static Shard Parse(string text) =>
        text.Split('/') is [var i, var n] && Number(i) is { } index && Number(n) is { } count
            ? Checked(index, count, $"--shard {text}")
            : throw new ArgumentException($"--shard {text} is not of the form i/n with i from 0 to n - 1, nor 'auto'.");

    private static Shard FromSlurm(string task, Func<string, string?> variable)
    {
        // SLURM_ARRAY_TASK_MIN and _STEP undo what --array=4-19:3 does to the ids (slurm.schedmd.com/job_array.html).
        var id = Required("SLURM_ARRAY_TASK_ID", task);
        var count = Required("SLURM_ARRAY_TASK_COUNT", variable("SLURM_ARRAY_TASK_COUNT"));
        var first = Optional("SLURM_ARRAY_TASK_MIN", variable("SLURM_ARRAY_TASK_MIN"), 0);
        var step = Optional("SLURM_ARRAY_TASK_STEP", variable("SLURM_ARRAY_TASK_STEP"), 1);
        return step < 1 || (id - first) % step != 0
            ? throw new ArgumentException($"SLURM_ARRAY_TASK_ID {id} does not lie on the array's steps of {step} from {first}.")
            : Checked((id - first) / step, count, "The Slurm array");
    }

    private static Shard FromKubernetes(string completion, Func<string, string?> variable) =>
        // Kubernetes gives a pod its index alone, so the manifest repeats the number of completions.
        Checked(
            Required("JOB_COMPLETION_INDEX", completion),
            Required("JOB_COMPLETIONS", variable("JOB_COMPLETIONS")),
            "The Indexed Job");

    private static Shard Checked(int index, int count, string what) =>
        count >= 1 && index >= 0 && index < count
            ? new Shard(index, count)
            : throw new ArgumentException($"{what} is shard {index} of {count}; the index must lie from 0 to {count - 1}.");

    private static int Required(string name, string? value) =>
        Number(value) ?? throw new ArgumentException(value is null
            ? $"The variable {name} is not set, so the number of shards is unknown; set it, or give --shard i/n."
            : $"The variable {name} is '{value}', not a number.");

    private static int Optional(string name, string? value, int otherwise) =>
        string.IsNullOrEmpty(value) ? otherwise : Required(name, value);

    private static int? Number(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
