namespace Microsoft.ML.LoraInit.ReferencePublicizer;

/// <summary>
/// The list of internals that the library uses: sections <c>[Assembly.Name]</c> of lines <c>T:Type</c>, <c>F:Type.Field</c> and
/// <c>M:Type.Method(parameter types)</c>, with <c>+</c> before a nested type's name and <c>#ctor</c> for constructors.
/// </summary>
internal static class MemberList
{
    /// <summary>The entries of one assembly, without the parameter lists: overloads share their fate.</summary>
    public static HashSet<string> Read(string path, string assembly)
    {
        var members = new HashSet<string>(StringComparer.Ordinal);
        string section = "";
        foreach (var raw in File.ReadLines(path))
        {
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (line[0] == '[' && line[^1] == ']')
                section = line[1..^1];
            else if (section == assembly)
                members.Add(line.Split('(')[0]);
        }
        return members;
    }
}
