namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>A format under test: what a right file consists of, how it is put together, and how the library reads it.</summary>
internal abstract class FuzzFormat
{
    public abstract string Name { get; }

    /// <summary>The parts of right files by name. What a name ends in says how its content is mutated.</summary>
    public abstract IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; }

    /// <summary>What is refused may be refused by these and by <see cref="InvalidDataException"/>: what the library's members name in their documentation.</summary>
    public virtual IReadOnlyList<Type> Refusals => [];

    /// <summary>Files with right lengths and checksums of the parts as they are: a mutant made so passes the first door.</summary>
    public virtual IReadOnlyDictionary<string, byte[]> Pack(IReadOnlyDictionary<string, byte[]> parts) => parts;

    /// <summary>Reads files that lie in a folder, and uses what was read.</summary>
    /// <returns>False where what was read gave numbers that are not finite.</returns>
    public abstract bool Read(string folder);

    /// <summary>Files that the library itself leaves in a folder that it reads.</summary>
    public virtual IReadOnlyList<string> Leaves => [];
}
