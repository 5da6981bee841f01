using System.Reflection;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>The names by which a comments' file knows types and members: C# standard, annex D, "Processing the documentation file".</summary>
internal static class DocId
{
    public static string Of(MemberInfo member) => member switch
    {
        Type type => "T:" + TypeName(type),
        FieldInfo => $"F:{Qualified(member)}",
        EventInfo => $"E:{Qualified(member)}",
        PropertyInfo property => $"P:{Qualified(member)}{Parameters(property.GetIndexParameters())}",
        MethodBase method => $"M:{Qualified(member)}{Arity(method)}{Parameters(method.GetParameters())}{Result(method)}",
        _ => throw new ArgumentException($"{member.MemberType} {member.Name} has no documentation id."),
    };

    private static string Qualified(MemberInfo member) => $"{TypeName(member.DeclaringType!)}.{member.Name.Replace('.', '#')}";

    private static string Arity(MethodBase method) => method.IsGenericMethod ? $"``{method.GetGenericArguments().Length}" : "";

    private static string Result(MethodBase method) =>
        method is MethodInfo { Name: "op_Implicit" or "op_Explicit" } conversion ? $"~{Reference(conversion.ReturnType)}" : "";

    private static string Parameters(ParameterInfo[] parameters) =>
        parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(p => Reference(p.ParameterType)))})";

    private static string TypeName(Type type) => (type.IsGenericType ? type.GetGenericTypeDefinition() : type).FullName!.Replace('+', '.');

    private static string Reference(Type type)
    {
        if (type.IsByRef)
            return $"{Reference(type.GetElementType()!)}@";
        if (type.IsPointer)
            return $"{Reference(type.GetElementType()!)}*";
        if (type.IsArray)
            return $"{Reference(type.GetElementType()!)}[{(type.GetArrayRank() == 1 ? "" : string.Join(',', Enumerable.Repeat("0:", type.GetArrayRank())))}]";
        if (type.IsGenericParameter)
            return (type.DeclaringMethod is null ? "`" : "``") + type.GenericParameterPosition;
        if (!type.IsGenericType)
            return TypeName(type);
        // Arguments follow the name of the type that declares them; the types here nest no generics in generics.
        var name = TypeName(type);
        return $"{name[..name.IndexOf('`', StringComparison.Ordinal)]}{{{string.Join(',', type.GetGenericArguments().Select(Reference))}}}{Nested(name)}";
    }

    private static string Nested(string name)
    {
        var rest = name[(name.IndexOf('`', StringComparison.Ordinal) + 1)..].TrimStart('0', '1', '2', '3', '4', '5', '6', '7', '8', '9');
        return rest;
    }
}
